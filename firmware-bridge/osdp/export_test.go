package osdp

// SealInClear seals p with a right MAC and without encrypting its data, as a
// careless device does.
func SealInClear(s *Session, t BlockType, p Packet) ([]byte, error) {
	p.Block.Type = t
	p.MAC = make([]byte, macSize)
	sealed, err := Append(nil, p)
	if err != nil {
		return nil, err
	}
	end := len(sealed) - checkSize(p.Sum)
	s.sent = s.mac(sealed[:end-macSize], s.taken)
	copy(sealed[end-macSize:end], s.sent[:])
	return appendCheck(sealed[:end], 0, p.Sum), nil
}
