package inspect

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Rules are the udev rules for a lane's computer, also in configs/udev: groups,
// stable names, and programs that must keep away.
//
//go:embed 70-turnstile.rules
var Rules string

// ErrRule says what is wrong with a line of udev rules.
var ErrRule = errors.New("bad udev rule")

// Rule is one line of udev rules.
type Rule struct {
	Line  int
	Pairs []Pair
}

// Pair is one condition or assignment of a rule.
type Pair struct{ Key, Attribute, Operator, Value string }

// The keys of udev(7) that rules here use: those that are compared, and those
// that are set.
var (
	compared = []string{"ACTION", "SUBSYSTEM", "SUBSYSTEMS", "KERNEL", "KERNELS", "DRIVER", "DRIVERS", "ATTR", "ATTRS", "ENV", "TAG"}
	set      = []string{"GROUP", "MODE", "SYMLINK", "ENV", "ATTR", "TAG", "OPTIONS"}
	withName = []string{"ATTR", "ATTRS", "ENV"}
)

// ParseRules reads udev rules as udev(7) describes them, as far as rules of a
// lane need it: comments, one rule a line, key, operator and a value in quotes.
func ParseRules(text string) ([]Rule, error) {
	var all []Rule
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		r := Rule{Line: i + 1}
		for line != "" {
			p, rest, err := pair(line)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", i+1, err)
			}
			r.Pairs = append(r.Pairs, p)
			line = rest
		}
		if err := r.check(); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		all = append(all, r)
	}
	return all, nil
}

// pair reads one pair off the front of line.
func pair(line string) (p Pair, rest string, err error) {
	end := strings.IndexAny(line, "=!+-:{")
	if end <= 0 {
		return p, "", fmt.Errorf("%w: no operator in %.40q", ErrRule, line)
	}
	p.Key, line = strings.TrimSpace(line[:end]), line[end:]
	if strings.HasPrefix(line, "{") {
		name, after, closed := strings.Cut(line[1:], "}")
		if !closed || name == "" {
			return p, "", fmt.Errorf("%w: %s without a name in braces", ErrRule, p.Key)
		}
		p.Attribute, line = name, after
	}
	line = strings.TrimSpace(line)
	for _, op := range []string{"==", "!=", "+=", "-=", ":=", "="} {
		if strings.HasPrefix(line, op) {
			p.Operator, line = op, strings.TrimSpace(line[len(op):])
			break
		}
	}
	if p.Operator == "" || !strings.HasPrefix(line, `"`) {
		return p, "", fmt.Errorf("%w: %s without operator and a value in quotes", ErrRule, p.Key)
	}
	value, after, closed := strings.Cut(line[1:], `"`)
	if !closed {
		return p, "", fmt.Errorf("%w: %s: the quotes do not end", ErrRule, p.Key)
	}
	p.Value, after = value, strings.TrimSpace(after)
	if after != "" && !strings.HasPrefix(after, ",") {
		return p, "", fmt.Errorf("%w: no comma after %s", ErrRule, p.Key)
	}
	rest = strings.TrimSpace(strings.TrimPrefix(after, ","))
	if after != "" && rest == "" {
		return p, "", fmt.Errorf("%w: nothing after the last comma", ErrRule)
	}
	return p, rest, nil
}

// check reports a rule that udev would refuse, or that does nothing or too much.
func (r Rule) check() error {
	conditions, assignments := 0, 0
	for _, p := range r.Pairs {
		keys := set
		if p.Operator == "==" || p.Operator == "!=" {
			keys = compared
			conditions++
		} else {
			assignments++
		}
		if !slices.Contains(keys, p.Key) {
			return fmt.Errorf("%w: %s with %s", ErrRule, p.Key, p.Operator)
		}
		if slices.Contains(withName, p.Key) != (p.Attribute != "") {
			return fmt.Errorf("%w: %s and a name in braces", ErrRule, p.Key)
		}
	}
	if conditions == 0 || assignments == 0 {
		return fmt.Errorf("%w: %d conditions and %d assignments; each rule needs both", ErrRule, conditions, assignments)
	}
	return nil
}
