package main

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
	"os"
	"strconv"
	"strings"

	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/symbol"
)

// supervisorCommand keeps the codes with which staff open or lock a lane by hand.
type supervisorCommand struct {
	Issue  supervisorIssueCommand  `cmd:"" help:"Print a sheet of codes for one lane, once."`
	List   supervisorListCommand   `cmd:"" help:"Show codes and what became of them."`
	Revoke supervisorRevokeCommand `cmd:"" help:"Revoke a lost sheet, or one code."`
}

type supervisorIssueCommand struct {
	Lane   string `required:"" placeholder:"ID/NUMBER" help:"The lane, such as north-1/2."`
	Action string `required:"" enum:"open-in,open-out,lockdown,free-passage,normal" help:"What each code does, once: ${enum}."`
	Reason string `required:"" enum:"outage,code,assistance,visitor,rescue,incident,evacuation,maintenance,event,drill" help:"What it may be used for: ${enum}."`
	Count  int    `default:"5" help:"Codes on the sheet, 1 to 20."`
	Days   int    `default:"1" help:"Campus days that they are valid, 1 to 7, today the first."`
	To     string `required:"" placeholder:"NAME" help:"Who gets the sheet; stays at central."`
	Out    string `short:"o" placeholder:"FILE.html" help:"Write a page to print instead; only you can read it."`
}

func (x *supervisorIssueCommand) Run(ctx context.Context, c *console, cl *cli) error {
	controller, number, err := laneArg(x.Lane)
	if err != nil {
		return err
	}
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var out *os.File
	if x.Out != "" { // before anything is issued: a sheet cannot be had again
		if out, err = os.OpenFile(x.Out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); err != nil {
			return fmt.Errorf("make sheet: %w; nothing was issued", err)
		}
		defer out.Close()
	}
	var list office.SupervisorList
	err = api.call(ctx, "POST", "/supervisor-codes", office.SupervisorOrderBody{
		Controller: controller, Lane: number, Action: x.Action, Cause: x.Reason, Count: x.Count, Days: x.Days, Officer: x.To,
	}, &list)
	if err != nil {
		if out != nil {
			os.Remove(x.Out) // nothing is in it
		}
		return err
	}
	if out != nil {
		return c.writeSheet(cl, out, x.Out, list)
	}
	return c.show(cl, list, func() { c.printSheet(list) })
}

// laneArg reads north-1/2.
func laneArg(s string) (controller string, number int, err error) {
	controller, text, ok := strings.Cut(s, "/")
	number, bad := strconv.Atoi(text)
	if !ok || bad != nil || number < 1 || number > 255 || !link.ValidID(controller) {
		return "", 0, fmt.Errorf("%w: %q is no lane such as north-1/2; central lanes shows them", errUsage, s)
	}
	return controller, number, nil
}

// printSheet prints a sheet as text, with the symbols where they can be seen.
func (c *console) printSheet(list office.SupervisorList) {
	first := list.Codes[0]
	fmt.Fprintf(c.out, "Sheet %s for lane %s/%d: %s, for %s\n", clean(first.Sheet), clean(first.Controller), first.Lane, first.Action, first.Cause)
	fmt.Fprintf(c.out, "Valid %s. Given to %s.\n", period(first.From, first.Until), clean(first.Officer))
	for _, k := range list.Codes {
		fmt.Fprintf(c.out, "\n%d of %d, %s\n", k.Place, len(list.Codes), k.ID)
		if s, err := symbol.Draw(k.Code); err == nil && c.outIsTerm {
			fmt.Fprint(c.out, s.Terminal())
		}
		fmt.Fprintln(c.out, clean(k.Code))
	}
	fmt.Fprintf(c.err, "The codes are not shown again. Lost: central supervisor revoke %s --reason ...\n", clean(first.Sheet))
}

// sheetPage is a sheet to print: each code with its place, big enough for a
// scanner at 10 cm, and room to note the use.
var sheetPage = template.Must(template.New("sheet").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Supervisor codes {{.First.Sheet}}</title>
<style>
body { font: 11pt system-ui, "Noto Sans", "Noto Sans CJK TC", sans-serif; margin: 0; }
@page { size: A4; margin: 12mm; }
@media screen { body { margin: 12mm; } }
main { display: grid; grid-template-columns: repeat(3, 59mm); gap: 4mm; }
section { break-inside: avoid; border: 0.3mm solid #000; padding: 2mm; }
svg { display: block; width: 52mm; height: 52mm; margin: auto; }
section p { display: flex; margin: 2mm 0 0; white-space: nowrap; }
section p i { flex: 1; border-bottom: 0.2mm solid #000; margin-left: 1mm; }
</style></head><body>
<h1>{{.First.Controller}}/{{.First.Lane}}: {{.First.Action}}</h1>
<p>Sheet {{.First.Sheet}}, for {{.First.Cause}}, given to {{.First.Officer}}. Valid {{.Period}}. Each code works once, at this lane alone. Lost: tell the office at once.</p>
<p lang="zh-Hant">每個代碼只可在此閘機使用一次。如有遺失，請立即通知辦公室。</p>
<main>
{{range .Codes}}<section>{{.SVG}}<b>{{.Place}}</b> · {{.ID}}<p>Used by / 使用者<i></i></p><p>Time / 時間<i></i></p></section>
{{end}}</main></body></html>
`))

// printed is a code on the page.
type printed struct {
	office.SupervisorCodeBody
	SVG template.HTML
}

// sheetHTML returns the page of a sheet.
func sheetHTML(list office.SupervisorList) ([]byte, error) {
	var codes []printed
	for _, k := range list.Codes {
		s, err := symbol.Draw(k.Code)
		if err != nil {
			return nil, fmt.Errorf("draw code %s: %w", k.ID, err)
		}
		codes = append(codes, printed{k, template.HTML(s.SVG())}) // of symbol alone: numbers and fixed text
	}
	first := list.Codes[0]
	var b bytes.Buffer
	err := sheetPage.Execute(&b, map[string]any{"First": first, "Codes": codes, "Period": period(first.From, first.Until)})
	return b.Bytes(), err
}

// writeSheet writes the page of a sheet. If that fails the sheet is lost, and the
// error says how to revoke it.
func (c *console) writeSheet(cl *cli, out *os.File, path string, list office.SupervisorList) error {
	page, err := sheetHTML(list)
	if err == nil {
		_, err = out.Write(page)
	}
	if err == nil {
		err = out.Close()
	}
	name := clean(list.Codes[0].Sheet)
	if err != nil {
		return fmt.Errorf("write sheet: %w; revoke it: central supervisor revoke %s --reason unprinted", err, name)
	}
	return c.show(cl, map[string]any{"sheet": name, "codes": len(list.Codes), "file": path}, func() {
		fmt.Fprintf(c.out, "Sheet %s, %d codes, is in %s: print it, hand it over, and delete the file.\n", name, len(list.Codes), path)
	})
}

type supervisorListCommand struct {
	Used       bool   `xor:"used" help:"Only codes that are used up or in use."`
	Unused     bool   `xor:"used" help:"Only the others."`
	Controller string `placeholder:"ID" help:"Only those of one lane controller."`
	Sheet      string `help:"Only those of one sheet."`
	All        bool   `help:"Also codes that were over a week ago."`
}

func (x *supervisorListCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	used, all := "", ""
	switch {
	case x.Used:
		used = "yes"
	case x.Unused:
		used = "no"
	}
	if x.All {
		all = "true"
	}
	list := office.SupervisorList{Codes: []office.SupervisorCodeBody{}}
	path := "/supervisor-codes" + query("used", used, "controller", x.Controller, "sheet", x.Sheet, "all", all, "limit", "500")
	err = everything(ctx, api, path, func(page *office.SupervisorList) string {
		list.Codes = append(list.Codes, page.Codes...)
		return page.Next
	})
	if err != nil {
		return err
	}
	return c.show(cl, list, func() { c.printSupervisor(list) })
}

func (c *console) printSupervisor(list office.SupervisorList) {
	t := table{heading: []string{"SHEET", "CODE", "LANE", "ACTION", "REASON", "GIVEN TO", "VALID UNTIL", "STATUS", "USED AT", "LEDGER", "REFUSED"}}
	for _, k := range list.Codes {
		ledger, tried := "", ""
		if k.Ledger != 0 {
			ledger = fmt.Sprint(k.Ledger)
		}
		if k.Tried != 0 {
			tried = fmt.Sprint(k.Tried, " times")
		}
		t.add(text(fmt.Sprint(k.Sheet, " ", k.Place)), text(k.ID), text(fmt.Sprint(k.Controller, "/", k.Lane)), text(k.Action), text(k.Cause), text(k.Officer),
			text(clock(k.Until)), supervisorCell(k.Status), text(maybeClock(k.UsedAt, "")), text(ledger), text(tried))
	}
	t.print(c)
}

func supervisorCell(status string) cell {
	switch status {
	case "unused", "given_back":
		return cell{status, green}
	case "revoked", "expired":
		return cell{status, dim}
	}
	return cell{status, yellow}
}

type supervisorRevokeCommand struct {
	What   string `arg:"" help:"A sheet, or one code such as 2026-11-21/000815."`
	Reason string `required:"" short:"r" help:"Why; stands in the audit."`
}

func (x *supervisorRevokeCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var list office.SupervisorList
	if err := api.call(ctx, "POST", "/supervisor-codes/revoke", map[string]string{"what": x.What, "reason": x.Reason}, &list); err != nil {
		return err
	}
	return c.show(cl, list, func() {
		fmt.Fprintf(c.out, "%d codes are revoked.\n", len(list.Codes))
		fmt.Fprintln(c.out, "A lane that is cut off from central does not hear of it: see central lanes, and send somebody to those.")
	})
}
