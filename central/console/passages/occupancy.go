package passages

import (
	"encoding/csv"
	"strconv"
	"strings"
	"time"

	"turnstile/central/console"
	"turnstile/central/office"
)

// zoneRow is a zone's numbers as a page shows them.
type zoneRow struct {
	office.ZoneCount
	Name string
}

// zonesPage is what the page of occupancy shows.
type zonesPage struct {
	At                     time.Time
	Zones                  []zoneRow
	Inside, Uncounted, Sum int
}

func (d *desk) zonesPage(r *console.Request) (*zonesPage, error) {
	zones, err := d.Presence.Occupancy(r.Context())
	if err != nil {
		return nil, err
	}
	n, err := d.names(r)
	if err != nil {
		return nil, err
	}
	p := &zonesPage{At: r.Now()}
	for _, z := range zones {
		p.Zones = append(p.Zones, zoneRow{z, n.pick(z.Name, z.NameZH)})
		p.Inside, p.Uncounted, p.Sum = p.Inside+z.Inside, p.Uncounted+z.Uncounted, p.Sum+z.In+z.Out
	}
	return p, nil
}

func (d *desk) occupancy(r *console.Request) error {
	p, err := d.zonesPage(r)
	if err != nil {
		return err
	}
	return r.Page(pages, "occupancy.html", "Occupancy", p)
}

// zones answers with the numbers alone, for a page that is open.
func (d *desk) zones(r *console.Request) error {
	p, err := d.zonesPage(r)
	if err != nil {
		return err
	}
	return r.Fragment(pages, "occupancy.html", "zones", p)
}

// musterPage is the list of who is inside.
type musterPage struct {
	At     time.Time
	Zone   string // "" for all
	Where  string // the zone's name, "" for all
	Rows   []insider
	Zones  []zoneRow
	Doubts int // uncounted passages
	Silent []string
}

// insider is who is inside as the list shows it.
type insider struct {
	Person, Holder string
	Pass, Kind     string
	Zone, Lane     string
	Since          time.Time
}

func (d *desk) muster(r *console.Request) error {
	p, err := d.musterPage(r, r.URL.Query().Get("zone"))
	if err != nil {
		return err
	}
	return r.Page(pages, "muster.html", "Muster list", p)
}

func (d *desk) musterPage(r *console.Request, zone string) (*musterPage, error) {
	number := -1
	if zone != "" {
		n, err := strconv.ParseUint(zone, 10, 8)
		if err != nil || n > 15 {
			return nil, office.Refuse(office.ErrNotFound, "%s", r.Say(pages, "There is no such zone."))
		}
		number = int(n)
	}
	m, err := d.Presence.Muster(r.Context(), r.By(), number)
	if err != nil {
		return nil, err
	}
	n, err := d.names(r)
	if err != nil {
		return nil, err
	}
	p := &musterPage{At: m.At, Zone: zone}
	for _, z := range m.Zones {
		p.Zones = append(p.Zones, zoneRow{z, n.pick(z.Name, z.NameZH)})
		p.Doubts += z.Uncounted
		if number >= 0 {
			p.Where = n.pick(z.Name, z.NameZH)
		}
	}
	for _, lane := range m.Silent {
		p.Silent = append(p.Silent, n.lane(office.LaneRef{Controller: lane}))
	}
	names := seesNames(r)
	for _, i := range m.Inside {
		x := insider{Pass: i.Pass.String(), Kind: n.text(office.KindText(i.Kind)), Zone: n.zone(i.Zone), Lane: n.lane(i.Lane), Since: i.Since}
		if names {
			x.Person = i.Person()
			if i.GuestName != "" {
				x.Holder = i.HolderName
			}
		}
		p.Rows = append(p.Rows, x)
	}
	return p, nil
}

// musterFile answers with the list as a file for a spreadsheet.
func (d *desk) musterFile(r *console.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	p, err := d.musterPage(r, r.PostForm.Get("zone"))
	if err != nil {
		return err
	}
	r.Writer.Header().Set("Content-Type", office.CSV.ContentType())
	r.Writer.Header().Set("Content-Disposition", `attachment; filename="inside-`+p.At.In(r.Zone()).Format("20060102-1504")+`.csv"`)
	r.Writer.Write([]byte("\ufeff"))
	w := csv.NewWriter(r.Writer)
	w.UseCRLF = true
	w.Write([]string{"person", "answers_for", "pass", "kind", "zone", "since", "lane"})
	for _, x := range p.Rows {
		fields := []string{x.Person, x.Holder, x.Pass, x.Kind, x.Zone, x.Since.In(r.Zone()).Format(time.RFC3339), x.Lane}
		for i := range fields {
			fields[i] = office.Inert(fields[i])
		}
		w.Write(fields)
	}
	w.Flush() // a browser that went away is no fault of ours
	return nil
}

// number reads a ledger number of an address.
func number(r *console.Request) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(r.PathValue("number")), 10, 64)
	if err != nil || n <= 0 {
		return 0, office.Refuse(office.ErrNotFound, "%s", r.T("There is no such page."))
	}
	return n, nil
}
