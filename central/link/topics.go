package link

import (
	"fmt"
	"hash/fnv"
	"strings"

	"turnstile/central/pass"
)

// Partitions is the number of journal partitions that centrals share.
const Partitions = 64

// Topics makes the topic names of one site.
type Topics struct{ Site string }

func (t Topics) at(parts ...string) string {
	return "tg/1/" + t.Site + "/" + strings.Join(parts, "/")
}

// Head, Delta, Keys and Rules are what every lane of the site reads.
func (t Topics) Head() string  { return t.at("feed", "head") }
func (t Topics) Delta() string { return t.at("feed", "delta") }
func (t Topics) Keys() string  { return t.at("feed", "keys") }
func (t Topics) Rules() string { return t.at("feed", "rules") }

// Day is where the snapshot of one day's status list is kept.
func (t Topics) Day(d pass.Day) string { return t.at("feed", "day", fmt.Sprint(uint16(d))) }

// Feed is the filter for all of the feed.
func (t Topics) Feed() string { return t.at("feed", "#") }

// Down is the filter for what is meant for one lane controller alone.
func (t Topics) Down(lane string) string { return t.at("a", lane, "dn", "#") }

// Zone is the filter for what lanes of a zone tell each other; ZoneUse and
// ZoneLanes are the two topics.
func (t Topics) Zone(zone uint8) string      { return t.at("z", fmt.Sprint(zone), "#") }
func (t Topics) ZoneUse(zone uint8) string   { return t.at("z", fmt.Sprint(zone), "use") }
func (t Topics) ZoneLanes(zone uint8) string { return t.at("z", fmt.Sprint(zone), "lanes") }

// IsZone reports whether a topic is one of a zone's.
func (t Topics) IsZone(topic string) bool { return strings.HasPrefix(topic, t.at("z")+"/") }

// Ack, Repeat, GateKeys, Time and Command go to one lane controller.
func (t Topics) Ack(lane string) string      { return t.at("a", lane, "dn", "ack") }
func (t Topics) Repeat(lane string) string   { return t.at("a", lane, "dn", "repeat") }
func (t Topics) GateKeys(lane string) string { return t.at("a", lane, "dn", "keys") }
func (t Topics) Time(lane string) string     { return t.at("a", lane, "dn", "time") }
func (t Topics) Command(lane string) string  { return t.at("a", lane, "dn", "cmd") }

// State, Ask, Use and Log come from one lane controller.
func (t Topics) State(lane string) string { return t.at("a", lane, "up", "state") }
func (t Topics) Ask(lane string) string   { return t.at("a", lane, "up", "ask") }
func (t Topics) Use(lane string) string   { return t.at("a", lane, "up", "use") }
func (t Topics) Log(lane string) string {
	return t.at("a", lane, "up", fmt.Sprint(Partition(lane)), "log")
}

// AllStates, AllAsks, AllUses and AllLogs are central's filters.
func (t Topics) AllStates() string { return t.at("a", "+", "up", "state") }
func (t Topics) AllAsks() string   { return t.at("a", "+", "up", "ask") }
func (t Topics) AllUses() string   { return t.at("a", "+", "up", "use") }
func (t Topics) AllLogs() string   { return t.at("a", "+", "up", "+", "log") }

// Logs is the filter for the journals of one partition.
func (t Topics) Logs(partition int) string {
	return t.at("a", "+", "up", fmt.Sprint(partition), "log")
}

// Lane returns the lane controller that an up topic belongs to, "" if none.
func (t Topics) Lane(topic string) string {
	rest, ok := strings.CutPrefix(topic, t.at("a")+"/")
	lane, rest, cut := strings.Cut(rest, "/")
	if !ok || !cut || !strings.HasPrefix(rest, "up/") || !ValidID(lane) {
		return ""
	}
	return lane
}

// Partition returns the journal partition of a lane controller: FNV-1a, 32 bits, mod 64.
func Partition(lane string) int {
	h := fnv.New32a()
	h.Write([]byte(lane))
	return int(h.Sum32() % Partitions)
}
