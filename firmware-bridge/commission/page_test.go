package commission

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

func TestPageEscapesWhatDevicesSay(t *testing.T) {
	page, err := Page(sealed(t, sample()))
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	for _, bad := range []string{"<script", "<img", "onerror=alert(1)>", "<b> ", "{{"} {
		if strings.Contains(strings.ReplaceAll(text, "&lt;", ""), bad) && bad != "{{" {
			t.Errorf("%q stands in the page", bad)
		}
	}
	for _, want := range []string{"&lt;script&gt;", "&lt;img src=x", "閘道驗收報告", "✗", "12.5 ms", `lang="zh-Hant"`, "<th scope=\"row\">", "<caption>", "@media print",
		string(testKey(t).Fingerprint()), "1 passed, 1 failed, 1 skipped, 1 not possible"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in the page", want)
		}
	}
	if m := regexp.MustCompile(`(?i)(src|href)=|url\(|@import|<script`).FindString(regexp.MustCompile(`&lt;.*?&gt;`).ReplaceAllString(text, "")); m != "" {
		t.Errorf("the page is not self-contained: %q", m)
	}
	if tables := strings.Count(text, "<table"); tables < 4 || tables != strings.Count(text, "<caption>") {
		t.Errorf("%d tables, %d captions", tables, strings.Count(text, "<caption>"))
	}
}

func TestNoPageOfAForgery(t *testing.T) {
	file := bytes.Replace(sealed(t, sample()), []byte(`"failed"`), []byte(`"passed"`), 1)
	if _, err := Page(file); !errors.Is(err, ErrForgery) {
		t.Errorf("%v", err)
	}
}

// The marks differ by shape and word, not by colour alone.
func TestMarksDiffer(t *testing.T) {
	var marks, words []string
	for _, o := range []Outcome{Passed, Failed, Skipped, NotPossible} {
		m := mark(o)
		marks, words = append(marks, m.Mark), append(words, m.Chinese)
	}
	slices.Sort(marks)
	slices.Sort(words)
	if len(slices.Compact(marks)) != 4 || len(slices.Compact(words)) != 4 {
		t.Errorf("%v, %v", marks, words)
	}
	for _, v := range []Verdict{Good, GoodButFor, Bad, Incomplete} {
		if m := mark(v); m.Mark == "" || m.Chinese == "" {
			t.Errorf("%s: %+v", v, m)
		}
	}
}

func TestEachChangeOfATestTextIsSeen(t *testing.T) {
	for _, n := range Lengths {
		text, err := TestText(n)
		if err != nil || len(text) != n {
			t.Fatalf("%d: %d characters, %v", n, len(text), err)
		}
		if r, ok := ReadTest([]byte(text)); !ok || !r.Whole || r.Length != n {
			t.Errorf("%d: %+v", n, r)
		}
		for cut := len(testMark) + 5; cut < n; cut++ {
			if r, ok := ReadTest([]byte(text[:cut])); !ok || r.Whole || r.Length != n || !strings.HasPrefix(r.How, "cut short after "+strconv.Itoa(cut)) {
				t.Fatalf("%d cut to %d: %+v", n, cut, r)
			}
		}
		for i := range text {
			bad := []byte(text)
			if bad[i]++; bad[i] == 'a' {
				continue
			}
			if r, ok := ReadTest(bad); ok && r.Whole {
				t.Fatalf("%d: a changed character %d is not seen", n, i)
			}
		}
		if r, _ := ReadTest([]byte(strings.ToLower(text))); r.Whole || r.How != "small and capital letters changed" {
			t.Errorf("%d in small letters: %+v", n, r)
		}
		if r, _ := ReadTest([]byte(text[:20] + text[21:])); r.Whole {
			t.Errorf("%d with a lost character: %+v", n, r)
		}
	}
	for _, n := range []int{0, 18, 1025} {
		if _, err := TestText(n); !errors.Is(err, ErrLength) {
			t.Errorf("%d: %v", n, err)
		}
	}
	for _, other := range []string{"", "TEST", "A PERSON'S CODE", strings.Repeat("A", 141)} {
		if r, ok := ReadTest([]byte(other)); ok {
			t.Errorf("%q is taken for a test code: %+v", other, r)
		}
	}
	if r, ok := ReadTest([]byte("TEST/0140/AAAA")); !ok || r.Length != 0 || r.Whole {
		t.Errorf("a length that is not on the sheet: %+v", r)
	}
}

func FuzzReadTest(f *testing.F) {
	for _, n := range Lengths {
		text, _ := TestText(n)
		f.Add([]byte(text))
	}
	f.Add([]byte("TEST/"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, ok := ReadTest(b)
		if !ok {
			return
		}
		if want, err := TestText(r.Length); r.Whole != (err == nil && want == string(b)) {
			t.Errorf("%q: %+v", b, r)
		}
	})
}

// picture draws what path says, module pixels to a module.
func picture(t *testing.T, path string, side int) image.Image {
	t.Helper()
	const module = 4
	img := image.NewGray(image.Rect(0, 0, side*module, side*module))
	for i := range img.Pix {
		img.Pix[i] = 0xFF
	}
	bars := regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-\d+z`).FindAllStringSubmatch(path, -1)
	for _, b := range bars {
		x, _ := strconv.Atoi(b[1])
		y, _ := strconv.Atoi(b[2])
		n, _ := strconv.Atoi(b[3])
		for px := x * module; px < (x+n)*module; px++ {
			for py := y * module; py < (y+1)*module; py++ {
				img.SetGray(px, py, color.Gray{})
			}
		}
	}
	return img
}

func decode(t *testing.T, img image.Image) string {
	t.Helper()
	bmp, err := gozxing.NewBinaryBitmapFromImage(img)
	if err != nil {
		t.Fatal(err)
	}
	r, err := qrcode.NewQRCodeReader().Decode(bmp, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_PURE_BARCODE: true})
	if err != nil {
		t.Fatal(err)
	}
	return r.GetText()
}

// TestEachSymbolIsReadBack reads the sheet's symbols, and those on the terminal.
func TestEachSymbolIsReadBack(t *testing.T) {
	sheet, err := Sheet()
	if err != nil {
		t.Fatal(err)
	}
	drawn := regexp.MustCompile(`viewBox="0 0 (\d+) \d+"[^>]*><path d="([^"]*)"`).FindAllStringSubmatch(string(sheet), -1)
	if len(drawn) != len(Lengths) {
		t.Fatalf("%d symbols on the sheet", len(drawn))
	}
	for i, n := range Lengths {
		want, err := TestText(n)
		if err != nil {
			t.Fatal(err)
		}
		side, _ := strconv.Atoi(drawn[i][1])
		if got := decode(t, picture(t, drawn[i][2], side)); got != want {
			t.Errorf("sheet, %d: %q", n, got)
		}
		s, err := Draw(want)
		if err != nil {
			t.Fatal(err)
		}
		if got := decode(t, picture(t, fromTerminal(s.Terminal()), s.Side())); got != want {
			t.Errorf("terminal, %d: %q", n, got)
		}
	}
}

// fromTerminal turns half blocks back into a path.
func fromTerminal(blocks string) string {
	var b strings.Builder
	for y, line := range strings.Split(blocks, "\n") {
		line = strings.TrimSuffix(strings.TrimPrefix(line, "\x1b[30;107m"), "\x1b[0m")
		for x, c := range []rune(line) {
			for dy, dark := range []bool{c == '█' || c == '▀', c == '█' || c == '▄'} {
				if dark {
					b.WriteString("M" + strconv.Itoa(x) + " " + strconv.Itoa(2*y+dy) + "h1v1h-1z")
				}
			}
		}
	}
	return b.String()
}
