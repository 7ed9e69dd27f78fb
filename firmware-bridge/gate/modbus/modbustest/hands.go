package modbustest

// What a test does to a board, and asks of it. Relays and inputs count from 1.

func (b *Board) with(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

// Input switches an input.
func (b *Board) Input(n int, on bool) { b.with(func() { b.inputs[n-1] = on }) }

// Value makes an input's register say v while the input is off.
func (b *Board) Value(n int, v uint16) { b.with(func() { b.values[n-1] = v }) }

// Relay switches a relay by hand.
func (b *Board) Relay(n int, on bool) { b.with(func() { b.set(n-1, on) }) }

// On reports whether a relay is on, any of them for 0.
func (b *Board) On(n int) (on bool) {
	b.with(func() {
		for i, c := range b.coils {
			on = on || c && (n == 0 || n == i+1)
		}
	})
	return on
}

// Rises is how often a relay went on, all of them for 0.
func (b *Board) Rises(n int) (rises int) {
	b.with(func() {
		for i, r := range b.rises {
			if n == 0 || n == i+1 {
				rises += r
			}
		}
	})
	return rises
}

// Requests is how many requests were done.
func (b *Board) Requests() (n int) { b.with(func() { n = b.requests }); return n }

// Strange is how many requests came that were not for this board or not whole.
func (b *Board) Strange() (n int) { b.with(func() { n = b.strange }); return n }

// Deafen loses the next n requests of function f, any for 0, before the board hears them.
func (b *Board) Deafen(f byte, n int) { b.with(func() { b.deaf = harm{f, n} }) }

// Mute does the next n requests of function f, any for 0, and loses their answers.
func (b *Board) Mute(f byte, n int) { b.with(func() { b.mute = harm{f, n} }) }

// Garble changes a bit in each of the next n answers to function f, any for 0.
func (b *Board) Garble(f byte, n int) { b.with(func() { b.garble = harm{f, n} }) }

// Noise puts bytes before each answer; nil for none.
func (b *Board) Noise(bytes []byte) { b.with(func() { b.noise = bytes }) }

// Echo sends each request back before its answer, as an adapter with local echo.
func (b *Board) Echo(on bool) { b.with(func() { b.echo = on }) }

// Except answers function f with an exception; 0 for none.
func (b *Board) Except(f, code byte) { b.with(func() { b.except[f] = code }) }
