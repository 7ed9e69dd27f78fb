package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"text/tabwriter"
	"time"

	"turnstile/agent/daemon"
)

// status shows the running agent, or what its status file says of the time when
// it still ran.
func (p *program) status(args []string) (int, error) {
	f := p.flags("status")
	asJSON := f.Bool("json", false, "print JSON")
	if _, err := f.parse(args, 0); err != nil {
		return 0, err
	}
	c, err := daemon.Load(*f.config)
	if err != nil {
		return 0, err
	}
	s, alive, err := currentStatus(c)
	if err != nil {
		return 0, err
	}
	if *asJSON {
		err = printJSON(p.out, s)
	} else {
		printStatus(p.out, &s, alive)
	}
	if err == nil && !alive {
		return exitFailed, nil
	}
	return exitOK, err
}

func currentStatus(c daemon.Config) (s daemon.Status, alive bool, err error) {
	base, err := running(c)
	if err == nil {
		resp, err := client.Get(base + "/status")
		if err != nil {
			return s, false, fmt.Errorf("ask agent: %w", err)
		}
		return s, true, readAnswer(resp, &s)
	}
	if !errors.Is(err, errNotRunning) {
		return s, false, err
	}
	s, err = readStatus(c)
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, fmt.Errorf("no agent has run with data in %s; start one with: agent run", c.Data)
	}
	return s, false, err
}

// printDecisions lists the lane's last decisions, the newest first.
func printDecisions(out io.Writer, l *daemon.LaneStatus) {
	if l.Last == nil {
		return
	}
	fmt.Fprintf(out, "\nlast decisions of lane %d\n", l.Number)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, d := range append([]*daemon.LastStatus{l.Last}, l.Earlier...) {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\n", d.At.Format(time.DateTime), d.Reason, d.Kind, d.Pass, d.Result)
	}
	w.Flush()
}

func printStatus(out io.Writer, s *daemon.Status, alive bool) {
	state := fmt.Sprintf("running since %s (process %d, start %d)", s.Started.Format(time.DateTime), s.PID, s.Boot)
	if !alive {
		state = "NOT RUNNING; this is of " + s.At.Format(time.DateTime)
	}
	fmt.Fprintf(out, "%s at %s, agent %s, %s\n%s\n\n", s.Agent, s.Site, s.Version, state, s.HTTP)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "LANE\tNAME\tZONE\tSTATE\tGATE\tSCANNERS\tGRANTED\tDENIED\tPASSED\tLAST DECISION")
	for _, l := range s.Lanes {
		fmt.Fprintf(w, "%d\t%s\t%d\t%s\t%s\t%s\t%d\t%d\t%d\t%s\n", l.Number, l.Name, l.Zone, stateText(&l),
			upText(l.Gate.Connected), scannersText(l.Scanners), l.Granted, total(l.Denied), l.Passed, lastText(l.Last))
	}
	w.Flush()
	fmt.Fprintln(out)
	w = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "feed\t%s\n", feedText(&s.Feed))
	fmt.Fprintf(w, "clock\t%s\n", clockText(s.Clock))
	fmt.Fprintf(w, "journal\tentry %d, central has %d, %d to send%s\n", s.Journal.Last, s.Journal.Acked, s.Journal.Waiting, levelText(s.Journal.Level))
	fmt.Fprintf(w, "presence\t%d inside, %d passes known, %d passages under way\n", s.Presence.Inside, s.Presence.Records, s.Presence.Pending)
	w.Flush()
	printNeighbours(out, s)
	for _, l := range s.Lanes {
		printDecisions(out, &l)
	}
	for _, l := range s.Lanes {
		printTroubles(out, &l)
	}
	if len(s.Warnings) == 0 {
		fmt.Fprintln(out, "\nno warnings")
		return
	}
	fmt.Fprintln(out, "\nwarnings")
	for _, n := range s.Warnings {
		what := strings.TrimSpace(n.Subject + " " + n.Detail)
		fmt.Fprintf(out, "  %-7s %s since %s: %s\n          %s\n", strings.ToUpper(n.Severity), n.Code, n.Since.Format(time.DateTime), what, n.NextStep)
	}
}

// printNeighbours lists the zones' other controllers.
func printNeighbours(out io.Writer, s *daemon.Status) {
	n := &s.Neighbours
	for _, z := range n.Zones {
		var names []string
		for _, p := range z.Peers {
			if n.Multicast != "off" && !p.There {
				p.Lane += " (not heard)"
			}
			names = append(names, p.Lane)
		}
		fmt.Fprintf(out, "zone %d: %d other controllers %s; multicast %s\n", z.Zone, len(names), strings.Join(names, ", "), n.Multicast)
	}
}

func stateText(l *daemon.LaneStatus) string {
	if l.ByHand != nil {
		return fmt.Sprintf("%s, %s BY HAND since %s", l.State, strings.ToUpper(l.ByHand.Mode), l.ByHand.Since.Format(time.TimeOnly))
	}
	if l.Shows == "GRANTED" {
		return l.State
	}
	return l.State + " (" + l.Shows + ")"
}

func upText(ok bool) string {
	if ok {
		return "up"
	}
	return "DOWN"
}

func scannersText(list []daemon.DeviceStatus) string {
	var parts []string
	for _, s := range list {
		parts = append(parts, s.Direction+" "+upText(s.Connected))
	}
	return strings.Join(parts, ", ")
}

func total(m map[string]uint64) (n uint64) {
	for _, v := range m {
		n += v
	}
	return n
}

func lastText(l *daemon.LastStatus) string {
	if l == nil {
		return "-"
	}
	parts := []string{l.At.Format(time.TimeOnly), l.Reason}
	if l.Pass != "" {
		parts = append(parts, l.Kind, l.Pass)
	}
	if l.Result != "" {
		parts = append(parts, l.Result)
	}
	return strings.Join(parts, " ")
}

func feedText(f *daemon.FeedStatus) string {
	if !f.Has {
		return "NONE YET: nobody is let in until this agent has reached central once"
	}
	age := "of unknown age"
	if f.AgeSec >= 0 {
		age = (time.Duration(f.AgeSec) * time.Second).String() + " old"
	}
	connection := "not connected"
	if f.Connected {
		connection = "connected"
	}
	return fmt.Sprintf("epoch %d, event %d, %s, %s; keys %d, rules %d; lists of %s; %d passes refused",
		f.Epoch, f.Seq, age, connection, f.Keyset, f.Rules, strings.Join(f.Days, " "), f.Refused)
}

func clockText(c daemon.ClockStatus) string {
	text := c.State + " by " + c.By
	if c.State != "untrusted" {
		text += fmt.Sprintf(", within %d s", c.BoundSec)
	}
	if off := time.Duration(c.OffsetSec * float64(time.Second)).Round(time.Second); off != 0 {
		text += fmt.Sprintf("; this machine's clock is off by %v", -off)
	}
	return text
}

func levelText(percent int) string {
	if percent == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d %% of its room)", percent)
}

func printTroubles(out io.Writer, l *daemon.LaneStatus) {
	if l.Gate.Err != "" {
		fmt.Fprintf(out, "lane %d, gate: %s\n", l.Number, l.Gate.Err)
	}
	for _, s := range l.Scanners {
		if s.Err != "" {
			fmt.Fprintf(out, "lane %d, scanner %s: %s\n", l.Number, s.Name, s.Err)
		}
	}
}
