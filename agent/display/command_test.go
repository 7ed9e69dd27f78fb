package display

import (
	"testing"

	"turnstile/agent/lane"
	"turnstile/central/link"
	"turnstile/firmware-bridge/gate"
)

// TestCommand: who is let in by hand is told so, in both languages and directions,
// and a lane that somebody looks for says that it is the one.
func TestCommand(t *testing.T) {
	texts := map[string]bool{}
	for _, a := range []lane.Answer{
		{Signal: gate.Granted, Direction: gate.In, Command: link.CommandOpen},
		{Signal: gate.Granted, Direction: gate.Out, Command: link.CommandOpen},
		{Signal: gate.Guard, Command: link.CommandIdentify},
	} {
		v := ViewOf(lane.Status{Answer: a})
		checkWords(t, a.Command.String(), v.Words)
		texts[v.Words.EN.Next+v.Words.ZH.Next] = true
	}
	if len(texts) != 2 || len(commandWords) != 2 {
		t.Errorf("texts %v", texts)
	}
	if w := answerWords(lane.Answer{Signal: gate.Granted, Direction: gate.In}); texts[w.EN.Next+w.ZH.Next] {
		t.Error("a scan is answered as a command")
	}
}
