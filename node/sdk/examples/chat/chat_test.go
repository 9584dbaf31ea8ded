package main

import (
	"errors"
	"strings"
	"testing"

	"mero/node/sdk"
	"mero/node/sdk/sdktest"
)

func TestOne(t *testing.T) {
	alice := sdktest.New[Chat](t, 1, nil).Replica(0)
	var second Message
	alice.Must(func(c *Chat) error {
		if _, err := c.Post("hello"); err != nil {
			return err
		}
		var err error
		second, err = c.Post("world")
		return err
	})
	alice.View(func(c *Chat) {
		got := c.History(nil, 10)
		if len(got) != 2 || got[0].Text != "hello" || got[1].Text != "world" || got[0].Author != alice.Member() {
			t.Errorf("got %+v", got)
		}
		if got := c.History(&got[0].Key, 10); len(got) != 1 || got[0] != second {
			t.Errorf("behind the first there is %+v", got)
		}
		if got := c.History(nil, 1); len(got) != 1 {
			t.Errorf("one is %+v", got)
		}
	})
	if err := alice.Do(func(c *Chat) error { _, err := c.Post(strings.Repeat("x", maxText+1)); return err }); err == nil {
		t.Error("a message that is too long was taken")
	}
	alice.Must(func(c *Chat) error { return c.MarkRead(second.Key) })
	alice.View(func(c *Chat) {
		if got := c.Unread(); len(got) != 0 {
			t.Errorf("unread: %+v", got)
		}
	})
	var known *sdk.Error
	if err := alice.Do(func(c *Chat) error { return c.MarkRead("nothing") }); !errors.As(err, &known) || known.Kind != "NotFound" {
		t.Errorf("got %v", err)
	}
	if events := alice.Events(); len(events) != 2 || events[0].Kind != "posted" || events[0].Handler != "on_posted" {
		t.Errorf("events %+v", events)
	}
}

// TestMentions: each member's node fills that member's inbox, whatever order the
// messages come in, and nobody else can.
func TestMentions(t *testing.T) {
	net := sdktest.New[Chat](t, 3, nil)
	names := []string{"ann", "ben", "cid"}
	for i, name := range names {
		net.Replica(i).Must(func(c *Chat) error { return c.SetNick(name) })
	}
	net.Settle()
	for _, text := range []string{"@ben, look", "@cid and @ben!", "nobody@ben", "@benjamin"} {
		net.Replica(0).Must(func(c *Chat) error { _, err := c.Post(text); return err })
	}
	net.Settle()
	for i, want := range []int{0, 2, 1} {
		net.Replica(i).View(func(c *Chat) {
			if got := c.Inbox(); len(got) != want {
				t.Errorf("%s has %+v", names[i], got)
			}
		})
	}
	if err := net.Replica(2).Do(func(c *Chat) error { return c.SetNick("ann") }); err == nil {
		t.Error("a nick was taken twice")
	}
	var refused *sdktest.RefusedError
	err := net.Replica(0).Do(func(c *Chat) error {
		c.Members.Of(net.Replica(1).Member()).Nick.Set("fool")
		return nil
	})
	if !errors.As(err, &refused) {
		t.Errorf("writing what another member has gives %v", err)
	}
}

// TestTopic: what several type at the same time stays together.
func TestTopic(t *testing.T) {
	net := sdktest.New[Chat](t, 3, nil)
	net.Replica(0).Must(func(c *Chat) error { c.EditTopic(0, 0, "topic: "); return nil })
	net.Settle()
	for i, word := range []string{"apples", "pears", "plums"} {
		for k, letter := range word {
			net.Replica(i).Must(func(c *Chat) error { c.EditTopic(len("topic: ")+k, 0, string(letter)); return nil })
			net.Deliver(k % 2)
		}
	}
	net.Settle()
	net.Replica(0).View(func(c *Chat) {
		got := c.ReadTopic()
		if len(got) != len("topic: applespearsplums") || !strings.HasPrefix(got, "topic: ") {
			t.Errorf("the topic is %q", got)
		}
	})
}
