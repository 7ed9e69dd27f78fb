package neighbours

import (
	"slices"
	"strings"
	"time"

	"turnstile/central/link"
)

// Status is how things stand between this controller and its neighbours.
type Status struct {
	Connected bool         `json:"connected"` // by central's broker
	Multicast string       `json:"multicast"` // off, open, or why it is not
	Zones     []ZoneStatus `json:"zones"`
	Counts    Counts       `json:"counts"`
}

// ZoneStatus is one of the controller's zones.
type ZoneStatus struct {
	Zone    uint8        `json:"zone"`
	Version uint64       `json:"version"` // of its LANES document, 0: none yet
	Behind  bool         `json:"behind"`  // central has a newer one
	Member  bool         `json:"member"`  // this controller stands in it
	Apart   bool         `json:"apart"`
	Peers   []PeerStatus `json:"peers"`
}

// PeerStatus is another controller of a zone.
type PeerStatus struct {
	Lane  string    `json:"lane"`
	Heard time.Time `json:"heard"` // last hello by multicast, zero if never
	There bool      `json:"there"` // it was heard not long ago
	Known uint64    `json:"known"` // the newest of its uses that came, by its journal's number; 0: none yet
}

// Status returns the state as of now.
func (n *Neighbours) Status(now time.Time) Status {
	newest := n.c.Version()
	n.mu.Lock()
	defer n.mu.Unlock()
	s := Status{Connected: n.connected, Multicast: n.multicast(), Counts: n.counts}
	for _, id := range n.sortedZones() {
		s.Zones = append(s.Zones, n.zoneStatus(id, newest, now))
	}
	return s
}

func (n *Neighbours) multicast() string {
	switch {
	case n.c.Multicast == (Multicast{}):
		return "off"
	case n.wire != nil:
		return "open"
	case n.trouble != "":
		return n.trouble
	}
	return "opening"
}

func (n *Neighbours) zoneStatus(id uint8, newest uint64, now time.Time) ZoneStatus {
	z := n.zones[id]
	s := ZoneStatus{Zone: id, Apart: n.apart(id, now), Peers: []PeerStatus{}}
	if z.lanes == nil {
		s.Behind = newest > 0
		return s
	}
	s.Version, s.Behind = z.lanes.Version, z.lanes.Version < newest
	_, s.Member = slices.BinarySearchFunc(z.lanes.Lanes, n.c.Lane, func(p link.Peer, id string) int { return strings.Compare(p.ID, id) })
	for _, p := range z.others {
		s.Peers = append(s.Peers, PeerStatus{p.id, p.heard, p.isThere(now), p.newest(id)})
	}
	return s
}
