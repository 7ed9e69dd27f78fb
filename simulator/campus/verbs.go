package campus

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Group says what a verb is about.
type Group string

// The groups, in the order in which a page shows them.
const (
	Passes  Group = "passes"  // the office and its holders
	People  Group = "people"  // who stands at a lane
	Wires   Group = "wires"   // scanners, gates, sensors
	Network Group = "network" //
	Power   Group = "power"   // of controllers, central, broker; disks
	Clocks  Group = "clocks"  //
	Office  Group = "office"  // modes, rules, openings
)

// Verb is one kind of act.
type Verb struct {
	Name   string
	Group  Group
	Target string     // what the first word names: "lane", "controller", "zone", "name"; "": there is none
	Words  [][]string // of each further word what may stand there; an empty list: anything
	Least  int        // how many of Words have to be there
	Keys   []string   // that may be given
	About  string     // what happens
	Undo   string     // the words that take a fault off, for each that puts one on: "in" for "out"
	Guard  string     // what a guard does about it; "": nothing is wrong

	Real      bool     // needs the programs as processes
	RealWords []string // of the first word, those that do
	Played    bool     // needs a played clock

	do      func(*Campus, context.Context, Act) error
	alone   bool     // nothing else is done meanwhile
	passing []string // of the first word, those that leave nothing to take off
}

// Verbs returns every verb.
func Verbs() []Verb {
	on := [][]string{{"on", "off"}}
	return []Verb{
		{Name: "issue", do: (*Campus).issue, Group: Passes, Target: "name", Words: [][]string{{"ecard", "guest", "staff"}}, Least: 1,
			Keys: []string{"day", "zones", "from", "for", "entries", "live", "escort", "exempt", "holder"}, About: "issues a pass, which acts call by the name"},
		{Name: "shot", do: (*Campus).shoot, Group: Passes, Target: "name", About: "takes a screenshot of what the holder's phone shows"},
		{Name: "forge", do: (*Campus).forge, Group: Passes, Target: "name", Words: [][]string{{"signature", "holder", "key", "version", "kind", "flags", "test", "damaged", "half", "foreign", "tag", "bare"}}, Least: 1,
			About: "makes a code that is not what it says, of the pass with the name; tag and bare of a live one"},
		{Name: "revoke", do: (*Campus).status, Group: Passes, Target: "name", Keys: []string{"reason"}, About: "revokes a pass"},
		{Name: "hold", do: (*Campus).status, Group: Passes, Target: "name", Keys: []string{"reason"}, About: "holds a pass"},
		{Name: "release", do: (*Campus).status, Group: Passes, Target: "name", Keys: []string{"reason"}, About: "releases a pass"},
		{Name: "reissue", do: (*Campus).reissue, Group: Passes, Target: "name", About: "revokes the pass and issues another one with the same order under its name; a screenshot stays the old one"},

		{Name: "scan", do: (*Campus).scan, Group: People, Target: "lane", Words: [][]string{{}, {"shot", "forged"}}, Keys: []string{"text", "way"}, About: "holds a code before the scanner for the way in, or out"},
		{Name: "walk", do: (*Campus).walk, Group: People, Target: "lane", Words: [][]string{{"in", "out"}}, Least: 1, Keys: []string{"people"}, About: "somebody walks, granted or not",
			Guard: "Stop who walked without a code, and look at the lane's page."},
		{Name: "people", do: (*Campus).crowd, Group: People, Target: "lane", Words: [][]string{{"walk", "stay", "pairs"}}, Least: 1, About: "who is let in walks, does not, or is followed by a second one without a code", Undo: "walk",
			Guard: "Nobody walked: ask why; the code is good for the entry again. Two walked: stop the second and ask for a code."},
		{Name: "flood", do: (*Campus).flood, Group: People, Target: "lane", Keys: []string{"scans"}, About: "many codes, one after the other"},

		{Name: "scanner", do: (*Campus).scanner, Group: Wires, Target: "lane", Words: [][]string{{"out", "silent", "babble", "half", "in"}}, Least: 1, About: "a scanner that is unplugged, reads nothing, talks nonsense, or sends half of each code", Undo: "in",
			Guard: "Send people to the next lane; plug the scanner in again or report it."},
		{Name: "gate", passing: []string{"restart"}, do: (*Campus).gate, Group: Wires, Target: "lane", Words: [][]string{{"out", "stuck", "noisy", "restart", "bounce", "backwards", "in"}}, Least: 1, About: "a gate that is unplugged, stuck, on a bad line, restarted, whose sensor bounces, or that turns backwards", Undo: "in",
			Guard: "Close the lane, let nobody climb, and report it."},
		{Name: "fire", do: (*Campus).fire, Group: Wires, Target: "lane", Words: on, Least: 1, About: "the fire alarm", Undo: "off", Guard: "Let everybody out; nobody goes in. The muster list stands in the console."},
		{Name: "tamper", do: (*Campus).tamper, Group: Wires, Target: "lane", Words: on, Least: 1, About: "the housing is open", Undo: "off", Guard: "Go to the lane and look who opened it."},

		{Name: "cable", do: (*Campus).cable, Group: Network, Target: "controller", Words: [][]string{{"cut", "hold", "slow", "join"}}, Least: 1, About: "one controller's network: cut, half open, or slow", Undo: "join",
			Guard: "Go on: the lane decides by itself. Report it if it lasts."},
		{Name: "broker", Real: true, alone: true, do: (*Campus).broker, Group: Network, Words: [][]string{{"kill", "start"}}, Least: 1, About: "the broker of all lanes", Undo: "start", Guard: "Go on: the lanes decide by themselves. Report it."},

		{Name: "power", alone: true, do: (*Campus).power, Group: Power, Target: "controller", Words: [][]string{{"cut", "on"}}, Least: 1, About: "a lane controller loses its power, in the middle of whatever it does", Undo: "on",
			Guard: "The lane stays locked. Send people to the next one, or use a supervisor code when it is back."},
		{Name: "replace", alone: true, do: (*Campus).replace, Group: Power, Target: "controller", About: "a lane controller gets an empty disk and is enrolled anew; without its network it knows nothing then",
			Guard: "Wait until the lane has heard central; until then it opens for supervisor codes at most."},
		{Name: "freeze", Real: true, alone: true, do: (*Campus).freeze, Group: Power, Target: "controller", Words: on, Least: 1, About: "a lane controller stands still", Undo: "off", Guard: "Send people to the next lane and report it."},
		{Name: "disk", Real: true, alone: true, do: (*Campus).disk, Group: Power, Target: "controller", Words: [][]string{{"full", "space"}}, Least: 1, About: "a lane controller's disk is full", Undo: "space",
			Guard: "The lane opens for nobody, since it could not remember. Send people to the next one and report it."},
		{Name: "central", RealWords: []string{"freeze", "full"}, alone: true, do: (*Campus).central, Group: Power, Words: [][]string{{"kill", "freeze", "full", "start"}}, Least: 1, About: "central dies, stands still, or has a full disk", Undo: "start", Guard: "Go on: the lanes decide by themselves. Report it."},

		{Name: "clock", alone: true, do: (*Campus).wrongClock, Group: Clocks, Target: "controller", Words: [][]string{{}}, Least: 1, About: "a lane controller's clock is wrong by +1h, -24h, or stands at 1970", Undo: "right",
			Guard: "The lane's page says what it trusts. Report it."},
		{Name: "advance", Played: true, alone: true, do: (*Campus).advance, Group: Clocks, Words: [][]string{{}}, Least: 1, About: "all clocks go on by so much, such as 10m or 8h, and the lanes that can hear central"},
		{Name: "wait", do: (*Campus).wait, Group: Clocks, Words: [][]string{{}}, Least: 1, About: "nothing happens for a while, such as 2s"},

		{Name: "mode", do: (*Campus).mode, Group: Office, Target: "zone", Words: [][]string{{"lockdown", "free_passage", "normal"}}, Least: 1, Keys: []string{"reason"}, About: "the mode of a zone", Undo: "normal",
			Guard: "Follow the order of who set it."},
		{Name: "open", do: (*Campus).open, Group: Office, Target: "lane", Words: [][]string{{"in", "out"}}, Least: 1, Keys: []string{"reason"}, About: "central opens a lane once, by command"},
		{Name: "rules", do: (*Campus).rules, Group: Office, Target: "zone", Keys: []string{"passback", "exit", "apart", "back", "open", "close", "holiday", "escort", "repeat"}, About: "changes the rules of a zone; escort and repeat those of all"},
		{Name: "supervisor", do: (*Campus).supervisor, Group: Office, Target: "lane", Words: [][]string{{}, {"open-in", "open-out", "lockdown", "free-passage", "normal"}}, Least: 2, About: "prints a supervisor code for the lane, which acts call by the name"},
		{Name: "withdraw", do: (*Campus).withdraw, Group: Office, About: "withdraws the pass key that signs today"},
		{Name: "heal", alone: true, do: (*Campus).heal, Group: Office, About: "takes every fault off"},
	}
}

func verb(name string) (Verb, bool) {
	list := Verbs()
	i := slices.IndexFunc(list, func(v Verb) bool { return v.Name == name })
	if i < 0 {
		return Verb{}, false
	}
	return list[i], true
}

// TargetOf says what an act's target names, as Verb.Target has it.
func TargetOf(a Act) string {
	v, _ := verb(a.Verb)
	return v.Target
}

func names() string {
	var list []string
	for _, v := range Verbs() {
		list = append(list, v.Name)
	}
	return strings.Join(list, ", ")
}

// Syntax is how a line of the verb looks.
func (v Verb) Syntax() string {
	parts := []string{v.Name}
	if v.Target != "" {
		parts = append(parts, strings.ToUpper(v.Target))
	}
	for i, w := range v.Words {
		text := strings.Join(w, "|")
		if len(w) == 0 {
			text = "WORD"
		}
		if i >= v.Least {
			text = "[" + text + "]"
		}
		parts = append(parts, text)
	}
	for _, k := range v.Keys {
		parts = append(parts, "["+k+"=…]")
	}
	return strings.Join(parts, " ")
}

// check holds an act of this verb to its syntax.
func (v Verb) check(a Act, words []Word) error {
	if v.Target != "" && a.Target == "" || len(a.Words) < v.Least {
		return &SyntaxError{1, "something is missing; want " + v.Syntax()}
	}
	if len(a.Words) > len(v.Words) {
		return &SyntaxError{words[len(words)-1].Column, "a word too many; want " + v.Syntax()}
	}
	for i, w := range a.Words {
		if may := v.Words[i]; len(may) > 0 && !slices.Contains(may, w) {
			return &SyntaxError{column(words, w), fmt.Sprintf("%q stands where %s can stand", w, strings.Join(may, ", "))}
		}
	}
	for key := range a.Args {
		if !slices.Contains(v.Keys, key) {
			return &SyntaxError{keyColumn(words, key), fmt.Sprintf("%s has no %s=; want %s", v.Name, key, v.Syntax())}
		}
	}
	return nil
}

func column(words []Word, text string) int {
	return words[slices.IndexFunc(words, func(w Word) bool { return w.Key == "" && w.Text == text })].Column
}

func keyColumn(words []Word, key string) int {
	return words[slices.IndexFunc(words, func(w Word) bool { return w.Key == key })].Column
}
