package commission

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"html/template"
	"strconv"
	"time"
)

//go:embed report.html
var reportHTML string

//go:embed sheet.html
var sheetHTML string

// Texts of a report come from devices: html/template escapes each where it stands.
var (
	reportPage = template.Must(template.New("report").Funcs(template.FuncMap{
		"number": func(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) },
		"when":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
		"mark":   mark,
	}).Parse(reportHTML))
	sheetPage = template.Must(template.New("sheet").Parse(sheetHTML))
)

// sign is how an outcome looks: by shape and word, never by colour alone.
type sign struct{ Mark, Class, Chinese string }

// mark is the sign of an outcome or a verdict.
func mark(outcome any) sign {
	switch fmt.Sprint(outcome) {
	case string(Passed):
		return sign{"✓", "passed", "通過"}
	case string(Failed):
		return sign{"✗", "failed", "不通過"}
	case string(Skipped):
		return sign{"–", "open", "略過"}
	case string(NotPossible):
		return sign{"○", "open", "不適用"}
	case string(GoodButFor):
		return sign{"✓", "open", "通過，部分項目未測試"}
	}
	return sign{"–", "open", "未完成"}
}

// Page is a report file as one HTML page to read and print: nothing is loaded
// from elsewhere. It first verifies the file as Verify does.
func Page(file []byte) ([]byte, error) {
	r, s, err := Verify(file, "")
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(file)
	counts := map[Outcome]int{}
	for _, e := range r.Results {
		counts[e.Outcome]++
	}
	var b bytes.Buffer
	err = reportPage.Execute(&b, map[string]any{"Report": r, "Signature": s, "Sum": fmt.Sprintf("%x", sum),
		"Passed": counts[Passed], "Failed": counts[Failed], "Skipped": counts[Skipped], "NotPossible": counts[NotPossible]})
	if err != nil {
		return nil, fmt.Errorf("make report page: %w", err)
	}
	return b.Bytes(), nil
}

// drawn is a test code on the sheet.
type drawn struct {
	Length, Side int
	Path         string
	Millimetres  int
}

// Sheet is an HTML page with all test codes, to print or to show on a screen.
func Sheet() ([]byte, error) {
	var all []drawn
	for _, n := range Lengths {
		code, err := TestText(n)
		if err != nil {
			return nil, err
		}
		s, err := Draw(code)
		if err != nil {
			return nil, err
		}
		// 0.7 mm a module, which phones show as well; a symbol is at least 40 mm.
		all = append(all, drawn{n, s.Side(), s.path(), max(40, s.Side()*7/10)})
	}
	var b bytes.Buffer
	if err := sheetPage.Execute(&b, all); err != nil {
		return nil, fmt.Errorf("make sheet: %w", err)
	}
	return b.Bytes(), nil
}
