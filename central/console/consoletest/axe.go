package consoletest

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/chromedp/chromedp"
)

//go:embed axe.min.js
var axe string

// violation is one rule of axe-core that a page breaks.
type violation struct {
	ID    string   `json:"id"`
	Help  string   `json:"help"`
	Nodes []string `json:"nodes"`
}

// Axe fails the test if axe-core 4.14.1 finds anything on the page, in light and
// in dark colours.
func (b *Browser) Axe() {
	b.t.Helper()
	for _, dark := range []bool{true, false} {
		b.Dark(dark)
		for _, found := range b.AxeNow() {
			b.t.Errorf("%s, dark %v: %s", b.Path(), dark, found)
		}
	}
}

// AxeNow returns what axe-core finds on the page as it is shown.
func (b *Browser) AxeNow() (found []string) {
	b.t.Helper()
	for _, v := range b.axe() {
		found = append(found, fmt.Sprintf("%s: %s at %s", v.ID, v.Help, strings.Join(v.Nodes, " | ")))
	}
	return found
}

func (b *Browser) axe() []violation {
	b.t.Helper()
	b.Wait("document.readyState == 'complete'") // words are there before their colours
	if !Eval[bool](b, "typeof axe === 'object'") {
		Eval[bool](b, axe+"; true")
	}
	const ask = `axe.run({resultTypes: ['violations']}).then(r => ({rules: r.passes.length + r.violations.length,
		found: r.violations.map(v => ({id: v.id, help: v.help, nodes: v.nodes.slice(0, 3).map(n => n.html.slice(0, 200))}))}))`
	type result struct {
		Rules int         `json:"rules"`
		Found []violation `json:"found"`
	}
	r, err := chromedp.Run(b.Ctx, chromedp.Evaluate[result](ask, chromedp.EvalAwaitPromise))
	if err != nil || r.Rules < 10 {
		b.t.Fatalf("axe looked at %d rules: %v", r.Rules, err)
	}
	return r.Found
}

// Foreign returns the words in Latin letters that a Chinese page shows, or names
// something with, except where the page says that they are data: a name (bdi),
// code, a moment, what somebody typed, or a text with a language of its own.
func (b *Browser) Foreign() []string {
	b.t.Helper()
	const ask = `(() => {
		const apart = 'bdi, code, pre, kbd, time, script, style, noscript, textarea, .name, .data, [lang]:not(html), footer.frame, .brand';
		const texts = [document.title.split(' · ')[0]];
		const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
		while (walk.nextNode()) if (!walk.currentNode.parentElement.closest(apart)) texts.push(walk.currentNode.data);
		for (const e of document.querySelectorAll('[aria-label], [alt], [placeholder]')) if (!e.closest(apart))
			texts.push(e.getAttribute('aria-label') || '', e.getAttribute('alt') || '', e.getAttribute('placeholder') || '');
		return Array.from(new Set(texts.flatMap(t => t.match(/[A-Za-z][A-Za-z'.@_-]{2,}/g) || [])));
	})()`
	return Eval[[]string](b, ask)
}
