package inspect

// Forget drops the index that an inspector keeps, as its timer does.
func Forget(i *Inspector) { i.forget(i.last) }
