package web

import (
	"slices"
	"strings"

	"turnstile/simulator/campus"
)

// group is one group of switches as the page shows it.
type group struct {
	ID       string
	Name     string
	Switches []control
}

// control is what can be done with one verb.
type control struct {
	Verb    string
	Label   string
	About   string
	Target  string // as in campus.Verb: lane, controller, zone; "": there is none
	Fault   bool   // choices exclude each other, and one of them is that all is well
	Choices []choice
	Fields  []field
	Refused string // why it cannot be done here; "": it can
}

// choice is one button: an act's words after its target.
type choice struct {
	Words, Label, Refused string
	Well                  bool // it takes the fault off
}

// field is an argument that may be given.
type field struct{ Key, Hint string }

var groupNames = map[campus.Group]string{campus.Passes: "Passes", campus.People: "People", campus.Wires: "Scanners, gates, sensors", campus.Network: "Network",
	campus.Power: "Power and disks", campus.Clocks: "Clocks", campus.Office: "The office's orders"}

// labels are what stands on switches and buttons, by verb, and by verb and word. What
// is not here stands there as it is.
var labels = map[string]string{
	"walk": "Somebody walks", "walk in": "In", "walk out": "Out",
	"people": "Who is let in", "people walk": "Walks", "people stay": "Stays outside", "people pairs": "Two on one code",
	"flood": "Flood of codes", "scan": "Any text as a code",
	"scanner": "Scanner", "scanner out": "Unplugged", "scanner silent": "Reads nothing", "scanner babble": "Babbles", "scanner half": "Half codes", "scanner in": "Well",
	"gate": "Gate", "gate out": "Unplugged", "gate stuck": "Stuck", "gate noisy": "Bad line", "gate restart": "Restart", "gate bounce": "Sensor bounces", "gate backwards": "Turns backwards", "gate in": "Well",
	"fire": "Fire alarm", "fire on": "Fire", "fire off": "None",
	"tamper": "Housing", "tamper on": "Opened", "tamper off": "Shut",
	"cable": "Cable to central", "cable cut": "Cut", "cable hold": "Half open", "cable slow": "Slow", "cable join": "Whole",
	"broker": "Broker", "broker kill": "Off", "broker start": "On",
	"power": "Power of the lane", "power cut": "Cut", "power on": "On",
	"replace": "Disk", "freeze": "Program of the lane", "freeze on": "Stands still", "freeze off": "Runs",
	"disk": "Room on the disk", "disk full": "Full", "disk space": "Enough",
	"central": "Central", "central kill": "Off", "central freeze": "Stands still", "central full": "Disk full", "central start": "On",
	"clock": "Clock of the lane", "clock right": "Right", "clock +1h": "+1 hour", "clock -1h": "−1 hour", "clock +24h": "+1 day", "clock -24h": "−1 day", "clock 1970": "1970",
	"advance": "Time goes on", "wait": "Pause", "mode": "Mode of the zone", "mode lockdown": "Lockdown", "mode free_passage": "Free passage", "mode normal": "Normal",
	"open": "Open once", "open in": "In", "open out": "Out", "rules": "Rules of the zone", "withdraw": "Pass key", "heal": "All faults",
	"issue": "Any other pass", "issue ecard": "eCard", "issue guest": "Guest", "issue staff": "Staff",
	"shot": "Screenshot", "shot ": "Take one", "forge": "Forge", "revoke": "Revoke", "revoke ": "Revoke", "hold": "Hold", "hold ": "Hold", "release": "Release", "release ": "Release", "reissue": "Issue anew", "reissue ": "Issue anew",
	"replace ": "Empty disk", "flood ": "Send 40", "withdraw ": "Withdraw", "heal ": "Take all off", "rules ": "Change", "scan ": "Hold it up",
}

// suggestions are words that may stand where any word may.
var suggestions = map[string][]string{
	"clock": {"right", "+1h", "-1h", "+24h", "-24h", "1970"}, "advance": {"10s", "1m", "10m", "1h", "8h", "24h"}, "wait": {"2s", "10s"},
}

// hints say what may stand in a field.
var hints = map[string]string{
	"people": "1 to 5", "scans": "40", "reason": "why", "text": "any text", "way": "in, out",
	"day": "tomorrow", "zones": "0,1", "from": "09:00", "for": "30m", "entries": "1 to 15", "live": "yes", "exempt": "yes", "issue escort": "yes", "holder": "who",
	"passback": "off, soft, hard", "exit": "free, scan", "apart": "open, closed", "back": "minutes", "open": "07:00", "close": "22:00", "holiday": "today, none", "escort": "seconds", "repeat": "3s",
}

// elsewhere are verbs that the page has in another place: with the people.
var elsewhere = []string{"supervisor"}

// switches makes what stands on the page of the table of verbs.
func switches(played bool) (groups []group) {
	for _, v := range campus.Verbs() {
		if v.Group == campus.Passes || slices.Contains(elsewhere, v.Name) {
			continue
		}
		i := slices.IndexFunc(groups, func(g group) bool { return g.ID == string(v.Group) })
		if i < 0 {
			i = len(groups)
			groups = append(groups, group{ID: string(v.Group), Name: groupNames[v.Group]})
		}
		groups[i].Switches = append(groups[i].Switches, controlOf(v, played))
	}
	return groups
}

const (
	wantsReal   = "Needs the programs as processes: start the simulator without --played."
	wantsPlayed = "Needs a played clock: start the simulator with --played."
)

func controlOf(v campus.Verb, played bool) control {
	c := control{Verb: v.Name, Label: label(v.Name, v.Name), About: sentence(v.About), Target: v.Target, Fault: v.Undo != ""}
	switch {
	case v.Real && played:
		c.Refused = wantsReal
	case v.Played && !played:
		c.Refused = wantsPlayed
	}
	for _, w := range firstWords(v) {
		one := choice{Words: w, Label: label(v.Name+" "+w, w), Refused: c.Refused, Well: w == v.Undo && w != ""}
		if played && slices.Contains(v.RealWords, w) {
			one.Refused = wantsReal
		}
		c.Choices = append(c.Choices, one)
	}
	for _, k := range v.Keys {
		c.Fields = append(c.Fields, field{k, hint(v.Name, k)})
	}
	return c
}

// firstWords are what may stand behind the target; the one that takes a fault off is first.
func firstWords(v campus.Verb) []string {
	words := []string{""}
	if s, ok := suggestions[v.Name]; ok {
		words = slices.Clone(s)
	} else if len(v.Words) > 0 && len(v.Words[0]) > 0 {
		words = slices.Clone(v.Words[0])
	}
	slices.SortStableFunc(words, func(a, b string) int { return rank(v, a) - rank(v, b) })
	return words
}

func rank(v campus.Verb, word string) int {
	if word == v.Undo {
		return 0
	}
	return 1
}

func hint(verb, key string) string {
	if h, ok := hints[verb+" "+key]; ok {
		return h
	}
	return hints[key]
}

func label(key, unless string) string {
	if l, ok := labels[key]; ok {
		return l
	}
	return unless
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }
