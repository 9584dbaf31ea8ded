package collections

import (
	"fmt"
	"math"
)

// Load gives the value of a register, if it is set.
func (t *Tx) Load(r Ref) (value []byte, ok bool, err error) {
	h, there, err := t.reader(r, Register)
	if err != nil || !there {
		return nil, false, err
	}
	now, err := t.engine.register(h.id)
	return now.value, now.set, err
}

// Store sets a register. The last in order wins.
func (t *Tx) Store(r Ref, value []byte) error {
	h, there, err := t.writer(r, Register)
	if err != nil {
		return err
	}
	if err := t.checkValue(h, value); err != nil {
		return err
	}
	if there && h.flags&Once != 0 {
		if now, err := t.engine.register(h.id); err != nil || now.set {
			return t.once(err, t.name(h))
		}
	}
	return t.write(h, op{code: opStore, value: value})
}

// once gives err, or says that what is there stays.
func (t *Tx) once(err error, name string) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: %s stays as it is", ErrOnce, name)
}

// Clear takes the value of a register away. The last in order wins: a value that was stored
// without knowing of it stays if it is later in order.
func (t *Tx) Clear(r Ref) error {
	h, there, err := t.writer(r, Register)
	if err != nil || !there {
		return err
	}
	now, err := t.engine.register(h.id)
	if err != nil || !now.set {
		return err
	}
	if h.flags&Once != 0 {
		return t.once(nil, t.name(h))
	}
	return t.write(h, op{code: opClear})
}

// Count gives the sum of a counter: the least or greatest number if it is beyond 64 bits.
func (t *Tx) Count(r Ref) (int64, error) {
	h, there, err := t.reader(r, Counter)
	if err != nil || !there {
		return 0, err
	}
	c, err := t.engine.counter(h.id)
	switch {
	case int64(c.hi) < -1 || int64(c.hi) == -1 && int64(c.lo) >= 0:
		return math.MinInt64, err
	case int64(c.hi) > 0 || c.hi == 0 && int64(c.lo) < 0:
		return math.MaxInt64, err
	default:
		return int64(c.lo), err
	}
}

// Increase adds n, which may be negative, to a counter.
func (t *Tx) Increase(r Ref, n int64) error {
	h, _, err := t.writer(r, Counter)
	if err != nil || n == 0 {
		return err
	}
	return t.write(h, op{code: opIncrease, amount: n})
}

// StampOf names the last write in a register, counter, list or text; zero: there was none.
func (t *Tx) StampOf(r Ref) (Stamp, error) {
	h, there, err := t.reader(r, Register, Counter, List, Text)
	if err != nil || !there {
		return Stamp{}, err
	}
	b, ok, err := t.engine.rows.get(h.id.header())
	if err != nil || !ok {
		return Stamp{}, err
	}
	if len(b) < stampSize {
		return Stamp{}, fmt.Errorf("%w: header of %d bytes", ErrDamaged, len(b))
	}
	return stampOf(b), nil
}
