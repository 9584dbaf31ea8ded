//go:build !wasip1

package sdk

import (
	"fmt"
	"reflect"

	"mero/node/sdk/codec"
	"mero/node/sdk/jsonany"
	"mero/node/sdk/names"
)

// BindState binds the collections of a state struct, given by its address, to
// their places, as generated code does in a guest. It is for tests, by package
// sdktest, and is not there in a guest.
func BindState(state any) error {
	return bindStruct(reflect.ValueOf(state), Root(), reflect.TypeOf(state))
}

// native is what binds itself without generated code.
type native interface{ bindNative(p Place) }

// named is what a state struct has besides collections.
type named interface{ bindNamed(name, handler string) }

func bindAny[T any](t *T, p Place) {
	if n, ok := any(t).(native); ok {
		n.bindNative(p)
		return
	}
	if err := bindStruct(reflect.ValueOf(t), p, nil); err != nil {
		panic("sdk: " + err.Error()) //nolint:forbidigo // a mistake in the application
	}
}

func bindStruct(pointer reflect.Value, p Place, state reflect.Type) error {
	v := pointer.Elem()
	if v.Kind() != reflect.Struct {
		return fmt.Errorf("%s is neither a collection nor a struct of them", v.Type())
	}
	o := p.Object()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() {
			return fmt.Errorf("field %s of %s must be exported", f.Name, v.Type())
		}
		name, field := names.Field(f.Name, f.Tag.Get("mero")), v.Field(i).Addr()
		switch part := field.Interface().(type) {
		case native:
			part.bindNative(o.Field(name))
		case named:
			handler := ""
			if state != nil {
				if m, ok := state.MethodByName("On" + f.Name); ok {
					handler = names.Snake(m.Name)
				}
			}
			part.bindNamed(name, handler)
		default:
			if f.Type.Kind() != reflect.Struct {
				return fmt.Errorf("field %s of %s is no collection", f.Name, v.Type())
			}
			if err := bindStruct(field, o.Field(name), nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func reflected[T any]() codec.Codec[T] { return jsonany.Codec[T]() }

func (v *Value[T]) bindNative(p Place)         { v.Bind(p, reflected[T]()) }
func (v *Once[T]) bindNative(p Place)          { v.Bind(p, reflected[T]()) }
func (m *Map[T]) bindNative(p Place)           { m.Bind(p, reflected[T]()) }
func (m *OnceMap[T]) bindNative(p Place)       { m.Bind(p, reflected[T]()) }
func (l *List[T]) bindNative(p Place)          { l.Bind(p, reflected[T]()) }
func (s *Set) bindNative(p Place)              { s.Bind(p) }
func (c *Counter) bindNative(p Place)          { c.Bind(p) }
func (t *Text) bindNative(p Place)             { t.Bind(p) }
func (m *MapOf[T]) bindNative(p Place)         { m.Bind(p, bindAny[T]) }
func (m *Members[T]) bindNative(p Place)       { m.Bind(p, bindAny[T]) }
func (l *ListOf[T]) bindNative(p Place)        { l.Bind(p, bindAny[T]) }
func (e *Event[T]) bindNamed(name, h string)   { e.Bind(name, h, reflected[T]()) }
func (p *Private[T]) bindNamed(name, _ string) { p.Bind(name, reflected[T]()) }
