// A counter with a log, in C and without an SDK: what INTERFACE.md says is enough.
//
//   clang --target=wasm32 -O2 -nostdlib -Wl,--no-entry -o hits.wasm hits.c
//
// Methods: init{}, hit{} and total{}, which gives {"hits":N}.

#define MERO(name) __attribute__((import_module("mero"), import_name(#name)))
#define ENV(name) __attribute__((import_module("env"), import_name(#name)))
#define EXPORT(name) __attribute__((export_name(#name)))

enum { COUNTER = 4, LIST = 5 };

MERO(open) int mero_open(int parent, const char *key, int key_len, int kind, int flags);
MERO(increase) void increase(int ref, long long n);
MERO(count) long long count(int ref);
MERO(len) long long len(int ref);
MERO(insert_at) void insert_at(int ref, long long index, const char *value, int value_len);

// The descriptors of module env have fields of 64 bits.
struct buffer { unsigned long long ptr, len; };
struct value { unsigned long long tag; struct buffer data; };

ENV(value_return) void value_return(unsigned long long value);

EXPORT(init) void init(void) {}

EXPORT(hit) void hit(void) {
  int log = mero_open(0, "log", 3, LIST, 0);
  increase(mero_open(0, "hits", 4, COUNTER, 0), 1);
  insert_at(log, len(log), "\"hit\"", 5);
}

EXPORT(total) void total(void) {
  static char text[64] = "{\"hits\":";
  char digits[24];
  int at = 8, n = 0;
  long long hits = count(mero_open(0, "hits", 4, COUNTER, 0));
  do { digits[n++] = '0' + hits % 10; } while (hits /= 10);
  while (n > 0) text[at++] = digits[--n];
  text[at++] = '}';
  struct value v = {0, {(unsigned long)text, at}};
  value_return((unsigned long)&v);
}
