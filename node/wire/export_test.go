package wire

// EncodeUnchecked writes what a hostile node may send.
func EncodeUnchecked(m Message) []byte {
	out, _ := encMode.Marshal(whole{Kind: m.Kind(), Body: m})
	return out
}
