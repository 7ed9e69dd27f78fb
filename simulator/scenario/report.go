package scenario

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// Report is the results of some scenarios.
type Report struct {
	Results  []Result      `json:"results"`
	Duration time.Duration `json:"duration_ns"`
}

// Failed counts what went wrong.
func (r *Report) Failed() (n int) {
	for i := range r.Results {
		if !r.Results[i].Passed() {
			n++
		}
	}
	return n
}

// Played counts what was played at all.
func (r *Report) Played() (n int) {
	for i := range r.Results {
		if !r.Results[i].Skipped {
			n++
		}
	}
	return n
}

// JSON writes the report for programs.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// suite, testcase and failure are JUnit's report, as CI systems read it.
type suite struct {
	XMLName  xml.Name   `xml:"testsuite"`
	Name     string     `xml:"name,attr"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Skipped  int        `xml:"skipped,attr"`
	Time     string     `xml:"time,attr"` // seconds
	Cases    []testcase `xml:"testcase"`
}

type testcase struct {
	Class   string   `xml:"classname,attr"`
	Name    string   `xml:"name,attr"`
	Time    string   `xml:"time,attr"`
	Failure *failure `xml:"failure"`
	Skipped *skipped `xml:"skipped"`
}

type failure struct {
	Message string `xml:"message,attr"`
	History string `xml:",chardata"`
}

type skipped struct {
	Message string `xml:"message,attr"`
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// JUnit writes the report for CI systems.
func (r *Report) JUnit(w io.Writer) error {
	s := suite{Name: "turnstile scenarios", Tests: len(r.Results), Failures: r.Failed(), Time: seconds(r.Duration)}
	for _, x := range r.Results {
		c := testcase{Class: "scenario." + x.Way, Name: x.Name + ": " + x.Title, Time: seconds(x.Duration)}
		if !x.Passed() {
			c.Failure = &failure{x.Failure, strings.Join(x.History, "\n")}
		}
		if x.Skipped {
			s.Skipped++
			c.Skipped = &skipped{"can only be played the other way"}
		}
		s.Cases = append(s.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	return e.Encode(s)
}

// Text writes the report for people.
func (r *Report) Text(w io.Writer) {
	for _, x := range r.Results {
		mark := "ok"
		switch {
		case x.Skipped:
			mark = "--"
		case !x.Passed():
			mark = "FAILED"
		}
		fmt.Fprintf(w, "%-7s %5.1f s  %-24s %s\n", mark, x.Duration.Seconds(), x.Name, x.Title)
		if !x.Passed() {
			fmt.Fprintf(w, "        %s\n", strings.ReplaceAll(x.Failure, "\n", "\n        "))
			newest(w, x.History)
		}
	}
	fmt.Fprintf(w, "%d scenarios, %d failed, %.1f s\n", len(r.Results), r.Failed(), r.Duration.Seconds())
}

// newestEvents is how many events of a failure a person is shown; reports have all.
const newestEvents = 15

func newest(w io.Writer, history []string) {
	if len(history) == 0 {
		return
	}
	fmt.Fprintln(w, "        the last events:")
	for _, line := range history[max(0, len(history)-newestEvents):] {
		fmt.Fprintf(w, "          %s\n", line)
	}
}
