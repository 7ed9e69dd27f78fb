package lease

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"

	"turnstile/central/database"
	"turnstile/central/link"
)

const partitionPrefix = "p/"

func partitionNames() []string {
	list := make([]string, link.Partitions)
	for p := range list {
		list[p] = partitionName(p)
	}
	return list
}

func partitionName(p int) string { return fmt.Sprintf("%s%d", partitionPrefix, p) }

// partitionOf returns a lease's partition, -1 if it is none.
func partitionOf(name string) int {
	text, ok := strings.CutPrefix(name, partitionPrefix)
	n, err := strconv.Atoi(text)
	if !ok || err != nil || n < 0 || n >= link.Partitions {
		return -1
	}
	return n
}

// share decides what a central takes and gives back. Each partition belongs to
// one of the living by its name, so that all come to the same result and few
// partitions move when one comes or goes; it goes over when its owner lets it. A
// job stays with who has it, and goes to whoever is first if that one is dead.
// wanted are the central's partitions, also those that are not free yet.
func share(me string, living []database.Central, leases []database.Lease) (take, release []string, wanted [link.Partitions]bool) {
	alive := map[string]bool{}
	for _, c := range living {
		alive[c.ID] = true
	}
	for _, l := range leases {
		p := partitionOf(l.Name)
		mine := p < 0 || home(p, living) == me
		if p >= 0 {
			wanted[p] = mine
		}
		switch {
		case l.Owner == me && !mine:
			release = append(release, l.Name)
		case !alive[l.Owner] && mine:
			take = append(take, l.Name)
		}
	}
	return take, release, wanted
}

// home is the central whose name gives the greatest hash with the partition.
func home(p int, living []database.Central) (id string) {
	var best uint64
	for _, c := range living {
		h := fnv.New64a()
		fmt.Fprintf(h, "%d\x00%s\x00%d", p, c.Name, p)
		if sum := mix(h.Sum64()); sum >= best {
			best, id = sum, c.ID
		}
	}
	return id
}

// mix spreads FNV's bits: its highest ones hardly depend on the last bytes
// (the finalizer of MurmurHash3, public domain).
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

func cmpName(a, b string) int { return cmp.Compare(a, b) }
