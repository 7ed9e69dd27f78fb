package console_test

import (
	"strings"
	"testing"

	"turnstile/central/console/consoletest"
	"turnstile/central/rights"
)

// TestInABrowser looks at the frame as a person does: in both languages, in light
// and dark, with and without JavaScript.
func TestInABrowser(t *testing.T) {
	o := consoletest.Start(t)
	b := o.As(t, rights.Auditor)
	b.Open("/nowhere")
	b.WaitText("There is no such page")
	b.Axe()
	for _, scripts := range []bool{true, false} {
		b.Scripts(scripts)
		b.Click("button[value=zh-Hant]")
		b.WaitText("沒有此頁面")
		if lang := consoletest.Eval[string](b, "document.documentElement.lang"); lang != "zh-Hant" || !strings.HasPrefix(b.Path(), "/nowhere") {
			t.Errorf("language %s at %s", lang, b.Path())
		}
		b.Click("button[value=en]")
		b.WaitText("There is no such page")
	}
	b.Size(390, 844)
	if wide := consoletest.Eval[int](b, "document.documentElement.scrollWidth"); wide > 390 {
		t.Errorf("on a phone the page is %d wide", wide)
	}
	b.Shot("frame-phone")
}
