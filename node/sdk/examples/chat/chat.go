// Command chat is a chat room: messages that stay, a topic that everybody edits,
// and for each member an inbox of the messages that mention them, which a handler
// fills on that member's own node.
package main

import (
	"errors"
	"strings"
	"time"

	"mero/node/sdk"
)

func main() {} // a library: the node calls the methods

// Chat is the state.
type Chat struct {
	Messages sdk.OnceMap[Message] // by keys that sort by time
	Topic    sdk.Text
	Members  sdk.Members[Member]
	Posted   sdk.Event[Message]
}

// Member is what a member keeps of the room, and nobody else may write.
type Member struct {
	Nick  sdk.Value[string]
	Read  sdk.Value[string] // the key of the last message seen
	Inbox sdk.List[string]  // keys of messages that mention this member
}

// Message is what somebody said.
type Message struct {
	Key    string    `json:"key"`
	Author sdk.ID    `json:"author"`
	Text   string    `json:"text"`
	At     time.Time `json:"at"`
}

// Limits of the room.
const (
	maxText = 4000
	maxPage = 200
)

// Post says something. @nick mentions a member.
func (c *Chat) Post(text string) (Message, error) {
	if text == "" || len(text) > maxText {
		return Message{}, errors.New("a message has 1 to 4000 bytes")
	}
	m := Message{Key: sdk.NewKey(), Author: sdk.Executor(), Text: text, At: sdk.Now()}
	c.Messages.Put(m.Key, m)
	c.Posted.Emit(m)
	return m, nil
}

// OnPosted runs on the nodes of the others: it puts a message that mentions their
// member into the inbox.
//
//mero:handler
func (c *Chat) OnPosted(m Message) {
	me := c.Members.Mine()
	if nick, ok := me.Nick.Get(); ok && mentions(m.Text, nick) {
		me.Inbox.Append(m.Key)
	}
}

func mentions(text, nick string) bool {
	for word := range strings.FieldsSeq(text) {
		if strings.TrimRight(word, ".,:;!?") == "@"+nick {
			return true
		}
	}
	return false
}

// History gives at most limit messages behind a key, the oldest first.
//
//mero:reads
func (c *Chat) History(after *string, limit int) []Message {
	from := ""
	if after != nil {
		from = *after
	}
	return take(c, from, limit)
}

func take(c *Chat, after string, limit int) []Message {
	page := []Message{}
	for _, m := range c.Messages.Range(after, "") {
		if len(page) >= min(limit, maxPage) {
			break
		}
		page = append(page, m)
	}
	return page
}

// SetNick takes a name that nobody else has, as far as this node knows.
func (c *Chat) SetNick(nick string) error {
	if nick == "" || strings.ContainsAny(nick, " @\t\n") {
		return errors.New("a nick is one word without @")
	}
	for id, other := range c.Members.All() {
		if name, ok := other.Nick.Get(); ok && name == nick && id != sdk.Executor() {
			return &sdk.Error{Kind: "Taken", Data: nick}
		}
	}
	c.Members.Mine().Nick.Set(nick)
	return nil
}

// Nicks are the names by member.
//
//mero:reads
func (c *Chat) Nicks() map[string]string {
	nicks := map[string]string{}
	for id, member := range c.Members.All() {
		if nick, ok := member.Nick.Get(); ok {
			nicks[id.String()] = nick
		}
	}
	return nicks
}

// MarkRead notes what the member has seen, and empties the inbox up to there.
func (c *Chat) MarkRead(key string) error {
	if !c.Messages.Has(key) {
		return &sdk.Error{Kind: "NotFound", Data: key}
	}
	me := c.Members.Mine()
	me.Read.Set(key)
	for i := me.Inbox.Len() - 1; i >= 0; i-- {
		if me.Inbox.At(i) <= key {
			me.Inbox.Remove(i, 1)
		}
	}
	return nil
}

// Unread gives the messages that the member has not seen, at most 200.
//
//mero:reads
func (c *Chat) Unread() []Message {
	return take(c, c.Members.Mine().Read.Or(""), maxPage)
}

// Inbox gives the messages that mention the member.
//
//mero:reads
func (c *Chat) Inbox() []Message {
	messages := []Message{}
	for _, key := range c.Members.Mine().Inbox.All() {
		if m, ok := c.Messages.Get(key); ok {
			messages = append(messages, m)
		}
	}
	return messages
}

// EditTopic takes n characters out of the topic from a position on, and puts text
// there, as an editor does.
func (c *Chat) EditTopic(at, remove int, insert string) {
	c.Topic.Remove(at, remove)
	c.Topic.Insert(at, insert)
}

// ReadTopic is the topic.
//
//mero:reads
func (c *Chat) ReadTopic() string { return c.Topic.String() }
