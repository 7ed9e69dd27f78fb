package console

// Streams returns how many live pages are open.
func (c *Console) Streams() int {
	c.hub.mu.Lock()
	defer c.hub.mu.Unlock()
	return len(c.hub.clients)
}
