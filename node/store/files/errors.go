package files

import "fmt"

// DamagedError says that files of the store are not as they were written. Open
// returns it before anything was changed.
type DamagedError struct {
	// File is the damaged file, as well as that can be told.
	File string
	// Reason says what is wrong with it.
	Reason string
	// Lost is how many acknowledged transactions are missing; zero when the
	// damage is of another kind. Only with Lost > 0 does Config.AcceptLoss help.
	Lost uint64
	// Err is the cause below, or nil.
	Err error
}

// Hint says what a person can do.
func (e *DamagedError) Hint() string {
	if e.Lost > 0 {
		return "set storage.accept_loss for one start to go on without them, or restore a backup"
	}
	return "restore a backup, or move the store away and join the contexts again"
}

// Error names the file, the reason and the way out.
func (e *DamagedError) Error() string {
	text := fmt.Sprintf("store is damaged: %s: %s", e.File, e.Reason)
	if e.Lost > 0 {
		text += fmt.Sprintf("; %d acknowledged transactions are lost", e.Lost)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text + "; " + e.Hint()
}

// Unwrap gives the cause.
func (e *DamagedError) Unwrap() error { return e.Err }
