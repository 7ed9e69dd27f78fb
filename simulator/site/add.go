package site

import "context"

// Add enrols one more lane controller, with the token if it is not "", and starts
// it. Its devices and its cable end with ctx, or with the site.
func (s *Site) Add(ctx context.Context, setup AgentSetup, token string) (*Agent, error) {
	ctx, cancel := context.WithCancel(ctx)
	stop := s.cancel
	s.cancel = func() { stop(); cancel() }
	a, err := s.newAgent(ctx, setup, token)
	if err != nil {
		return nil, err
	}
	s.Agents = append(s.Agents, a)
	return a, a.Start()
}
