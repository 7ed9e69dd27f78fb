package parity

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"turnstile/central/pass"
)

// maxShown bounds the unexplained differences that are described.
const maxShown = 20

// Report is the outcome of one day.
type Report struct {
	Seed    uint64    `json:"seed"`
	Passes  int       `json:"passes"`
	Scans   int       `json:"scans"`   // each decided twice
	Changes int       `json:"changes"` // by the office
	Granted [2]uint64 `json:"granted"` // online, offline: grants in the journals
	Opened  uint64    `json:"opened"`  // gates, of both
	Took    string    `json:"took"`

	Equal       int `json:"equal"`
	Policed     int `json:"refused_by_policy"`
	Changed     int `json:"changed_after_cut"`
	Follows     int `json:"follows"`
	Clock       int `json:"clock_in_holdover"`
	Unexplained int `json:"unexplained"`

	Reasons map[string][2]int `json:"reasons"` // online, offline
	Cells   []Cell            `json:"cells"`
	Shown   []string          `json:"unexplained_scans,omitempty"` // the first of them
}

// Failed reports whether a difference is unexplained, or a gate opened without
// a grant in the journal.
func (r *Report) Failed() bool {
	return r.Unexplained > 0 || r.Opened != r.Granted[0]+r.Granted[1]
}

func (r *Report) count(on, off pass.Reason) {
	if r.Reasons == nil {
		r.Reasons = map[string][2]int{}
	}
	a := r.Reasons[on.String()]
	a[0]++
	r.Reasons[on.String()] = a
	b := r.Reasons[off.String()]
	b[1]++
	r.Reasons[off.String()] = b
}

func (r *Report) unexplained(v *visit, why string) {
	if len(r.Shown) < maxShown {
		r.Shown = append(r.Shown, fmt.Sprintf("%s lane %d %s, %s pass %s (%s): %s", v.at.In(campus).Format(time.DateTime), v.lane+1,
			v.direction, v.holder.row.Kind, v.holder.row.ID(), formOf(v), why))
	}
}

// sum orders the cells and adds them up.
func (r *Report) sum() {
	kinds, ages := []string{"ecard", "guest", "staff"}, bands[:]
	slices.SortFunc(r.Cells, func(a, b Cell) int {
		return cmp.Or(cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)), cmp.Compare(a.Form, b.Form),
			cmp.Compare(slices.Index(ages, a.Age), slices.Index(ages, b.Age)))
	})
	for _, c := range r.Cells {
		r.Equal += c.Equal
		r.Policed += c.Policed
		r.Changed += c.Change
		r.Follows += c.Follows
		r.Clock += c.Clock
		r.Unexplained += c.Unknown
	}
}

// Text is the report for people.
func (r *Report) Text() string {
	var w strings.Builder
	fmt.Fprintf(&w, "parity: %d passes, %d scans, each decided online and with the network cut for up to %v; seed %d, %s\n\n",
		r.Passes, r.Scans, hoursOff, r.Seed, r.Took)
	r.table(&w)
	var reasons []string
	for _, name := range slices.Sorted(maps.Keys(r.Reasons)) {
		reasons = append(reasons, fmt.Sprintf("%s %d/%d", name, r.Reasons[name][0], r.Reasons[name][1]))
	}
	fmt.Fprintf(&w, "\nreasons online/offline: %s\n", strings.Join(reasons, ", "))
	fmt.Fprintf(&w, "gates opened %d times on %d+%d grants; the office changed %d passes\n", r.Opened, r.Granted[0], r.Granted[1], r.Changes)
	for _, s := range r.Shown {
		fmt.Fprintln(&w, "UNEXPLAINED:", s)
	}
	if r.Failed() {
		fmt.Fprintf(&w, "PARITY IS BROKEN: %d unexplained differences; again with: make parity SEED=%d\n", r.Unexplained, r.Seed)
	} else {
		fmt.Fprintln(&w, "parity holds: no difference but those that the policy states")
	}
	return w.String()
}

func (r *Report) table(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "kind\tform\tfeed\tpolicy\tscans\tequal\tpolicy refuses\tchanged after cut\tfollows\tholdover\tUNEXPLAINED\t")
	for _, c := range r.Cells {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", c.Kind, c.Form, c.Age, c.Policy, c.Scans, c.Equal, c.Policed, c.Change, c.Follows, c.Clock, c.Unknown)
	}
	fmt.Fprintf(t, "\t\t\tsum\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", r.Scans, r.Equal, r.Policed, r.Changed, r.Follows, r.Clock, r.Unexplained)
	t.Flush() // into a builder
}

// JSON is the report for programs.
func (r *Report) JSON() ([]byte, error) { return json.MarshalIndent(r, "", "  ") }
