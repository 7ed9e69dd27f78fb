package journal

import (
	"math"
	"testing"

	"turnstile/central/link"
)

// TestBootNumbersAreNotGivenTwice: starts whose entries the disk lost, with the file
// that knows their number, may stand in central's ledger. The next start of the same
// journal has a number above all of them.
func TestBootNumbersAreNotGivenTwice(t *testing.T) {
	const starts = 5
	record := int64(recordHead + link.EntrySize)
	for name, damage := range map[string]func(newest []byte, last int64){
		"the newest segment's headers": func(newest []byte, _ int64) {
			newest[20] ^= 1
			newest[blockSize+20] ^= 1
		},
		"its entries of all starts but the first": func(newest []byte, last int64) {
			for i := range int64(starts) { // the third start's is readable behind the damage, the last ones' are not
				if at := last + (i+1)*record; i != 2 {
					newest[at+20] ^= 1
				}
			}
		},
	} {
		d := newMemory()
		j, _ := open(t, d, Options{})
		appendN(t, j, 1, 101) // into the second segment
		if len(j.segments) != 2 {
			t.Fatalf("%d segments", len(j.segments))
		}
		first, off := j.segments[1].first, j.off-record
		j.Close()
		highest := uint32(0)
		for i := range starts {
			k, _ := open(t, d, Options{})
			highest = k.Boot()
			appendN(t, k, 102+i, 1)
			k.Close()
		}
		if highest != starts+1 {
			t.Fatalf("boot %d", highest)
		}
		delete(d.files, stateName)
		damage(d.files[segmentName(first, segmentSuffix)].cached, off)
		k, r := open(t, d, Options{})
		if r.SetAside != "" || r.Damaged != 1 || k.ID() != j.ID() {
			t.Fatalf("%s: not damage that it goes on behind: %+v", name, r)
		}
		if k.Boot() <= highest {
			t.Errorf("%s: boot %d, %d had entries", name, k.Boot(), highest)
		}
		k.Close()
		if again, _ := open(t, d, Options{}); again.Boot() <= k.Boot() {
			t.Errorf("%s: then boot %d", name, again.Boot())
		}
	}
	if b := behindLost(math.MaxUint32-3, 10); b != math.MaxUint32 {
		t.Errorf("at the end of all numbers: %d", b)
	}
}
