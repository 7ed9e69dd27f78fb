package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"turnstile/central/office"
	"turnstile/simulator/site"
)

// A lane controller that central knows, once for all tests: it has enrolled and
// heard everything before it loses the network for good.
var (
	memory map[string]string // its data: path in the guest to path here
	codes  []string          // of passes that central issued
)

// passes is how many there are: each scan on a lane takes the next.
const passes = 32

// dataFolder is where the agent keeps its data in a guest.
const dataFolder = "/var/lib/turnstile/agent"

// makeCampus starts central and the lane controller on this machine, issues
// passes, and stops both when the lane is up to date.
func makeCampus(ctx context.Context, folder string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	lane := site.AgentSetup{ID: "lane", Lanes: []site.LaneSetup{{Name: "north"}}}
	s, err := site.Start(ctx, site.Config{Programs: filepath.Join(programs, "host"), Data: folder, Agents: []site.AgentSetup{lane}})
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, s.Close())
		if err == nil {
			memory, err = remember(s.Agents[0].Data)
		}
	}()
	for i := range passes {
		p, err := s.API.Issue(ctx, office.OrderBody{Kind: "ecard", Holder: fmt.Sprintf("A%07d", i), Day: site.Today(time.Now()), Zones: []int{0}, Start: "00:00", Length: "25h"})
		if err != nil {
			return err
		}
		codes = append(codes, p.Code)
	}
	return upToDate(ctx, s)
}

func upToDate(ctx context.Context, s *site.Site) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		lanes, err := s.API.Lanes(ctx)
		if err != nil {
			return err
		}
		if len(lanes) == 1 && lanes[0].Alive && lanes[0].UpToDate {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the lane is not up to date: %w", ctx.Err())
		}
	}
}

// remember lists the files of an agent's data folder for a guest.
func remember(data string) (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		inside, err := filepath.Rel(data, path)
		files[filepath.Join(dataFolder, inside)] = path
		return err
	})
	if err == nil && len(files) < 4 {
		err = fmt.Errorf("the lane has only %d files in %s", len(files), data)
	}
	return files, err
}
