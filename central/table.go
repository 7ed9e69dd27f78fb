package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/width"
)

// colour is an ANSI colour of a cell.
type colour string

const (
	plain  colour = ""
	green  colour = "\x1b[32m"
	red    colour = "\x1b[31m"
	yellow colour = "\x1b[33m"
	dim    colour = "\x1b[2m"
	bold   colour = "\x1b[1m"
)

// cell is a text of a table.
type cell struct {
	text string
	colour
}

func text(s string) cell               { return cell{s, plain} }
func number[N ~int | ~int64](n N) cell { return cell{fmt.Sprint(n), plain} }

// table prints rows in aligned columns below a heading.
type table struct {
	heading []string
	rows    [][]cell
}

func (t *table) add(cells ...cell) { t.rows = append(t.rows, cells) }

// print writes the table; the heading only if there is one.
func (t *table) print(c *console) {
	rows := t.rows
	if len(t.heading) > 0 {
		head := make([]cell, len(t.heading))
		for i, h := range t.heading {
			head[i] = cell{h, dim}
		}
		rows = append([][]cell{head}, rows...)
	}
	widths := columnWidths(rows)
	for _, row := range rows {
		var line strings.Builder
		for i, x := range row {
			line.WriteString(c.paint(x))
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-columns(clean(x.text))+2))
			}
		}
		fmt.Fprintln(c.out, strings.TrimRight(line.String(), " "))
	}
}

func columnWidths(rows [][]cell) (widths []int) {
	for _, row := range rows {
		for i, x := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], columns(clean(x.text)))
		}
	}
	return widths
}

// columns returns how many columns of a terminal a text takes; a Chinese
// character takes two.
func columns(s string) (n int) {
	for _, r := range s {
		switch width.LookupRune(r).Kind() {
		case width.EastAsianWide, width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}

// clean keeps names from moving the cursor: whoever ordered a pass chose them.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

func (c *console) paint(x cell) string {
	if !c.outIsTerm || x.colour == plain || x.text == "" {
		return clean(x.text)
	}
	return string(x.colour) + clean(x.text) + "\x1b[0m"
}

// show prints v as JSON if that was asked for, else calls human.
func (c *console) show(cl *cli, v any, human func()) error {
	if !cl.JSON {
		human()
		return nil
	}
	e := json.NewEncoder(c.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// clock formats a time as the API gave it, in campus time.
func clock(t time.Time) string { return t.Format("2006-01-02 15:04:05") }

func maybeClock(t *time.Time, never string) string {
	if t == nil {
		return never
	}
	return clock(*t)
}

// period formats when a pass is valid, without the second date if it is the same.
func period(from, until time.Time) string {
	const minute = "2006-01-02 15:04"
	if from.Format(time.DateOnly) == until.Format(time.DateOnly) {
		return from.Format(minute) + " - " + until.Format("15:04")
	}
	return from.Format(minute) + " - " + until.Format(minute)
}
