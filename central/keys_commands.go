package main

import (
	"context"
	"fmt"

	"turnstile/central/office"
)

// keysCommand shows pass keys, and withdraws one in an emergency.
type keysCommand struct {
	List     keysListCommand     `cmd:"" help:"List the pass keys and what the root delegated."`
	Withdraw keysWithdrawCommand `cmd:"" help:"Make all lanes refuse what a key signed, and re-issue it."`
}

type keysListCommand struct{}

func (keysListCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	list := office.KeyList{Keys: []office.KeyBody{}}
	err = everything(ctx, api, "/keys", func(page *office.KeyList) string {
		list.Keys, list.Delegation = append(list.Keys, page.Keys...), page.Delegation
		return page.Next
	})
	if err != nil {
		return err
	}
	return c.show(cl, list, func() {
		t := table{heading: []string{"KEY", "USE", "FROM", "TO", "MADE", "LANES", "STATE"}}
		for _, k := range list.Keys {
			t.add(number(k.ID), text(k.Use), text(k.From), text(k.To), text(maybeClock(k.Made, "before")), knownCell(k.Published), keyStateCell(k))
		}
		t.print(c)
		d := list.Delegation
		fmt.Fprintf(c.out, "\n%s delegates to central until %s (version %d).\n", rootWords(d), clock(d.Expires), d.Version)
		if d.Request != "" {
			fmt.Fprintf(c.out, "The root has to sign %s: central root sign, then central root install.\n", clean(d.Request))
			fmt.Fprintln(c.out, "central root show says what it asks for. New role keys that are not wanted after all: central root roles --cancel")
		}
	})
}

func rootWords(d office.DelegationBody) string {
	where := "at central itself"
	if d.Offline {
		where = "offline"
	}
	return fmt.Sprintf("The root, %d of %d keys, %s,", d.Threshold, d.Keys, where)
}

func knownCell(published bool) cell {
	if published {
		return text("know it")
	}
	return cell{"", dim}
}

func keyStateCell(k office.KeyBody) cell {
	if k.Withdrawn != nil {
		return cell{"withdrawn " + clock(*k.Withdrawn), red}
	}
	return cell{"in force", green}
}

type keysWithdrawCommand struct {
	ID     uint16 `arg:"" help:"Number of the key, as central keys list shows it."`
	Reason string `required:"" short:"r" help:"Why; stands in the audit."`
}

func (x *keysWithdrawCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var w office.WithdrawalBody
	if err := api.call(ctx, "POST", fmt.Sprintf("/keys/%d/withdraw", x.ID), map[string]string{"reason": x.Reason}, &w); err != nil {
		return err
	}
	return c.show(cl, w, func() {
		fmt.Fprintf(c.out, "Key %d is withdrawn; %d passes of today and later have a new code.\n", w.Key, w.Reissued)
		if w.Reissued > 0 {
			fmt.Fprintln(c.out, "Lanes refuse the old codes (KEY_REVOKED): holders fetch the new ones, central show ID prints one.")
		}
		if w.Stuck > 0 {
			fmt.Fprintf(c.out, "%d passes cannot be re-issued; issue new ones. central list shows passes.\n", w.Stuck)
		}
	})
}
