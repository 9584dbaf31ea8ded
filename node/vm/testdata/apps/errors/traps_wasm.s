#include "textflag.h"

// func trapUnreachable()
TEXT ·trapUnreachable(SB), NOSPLIT, $0-0
	Unreachable
	RET

// func trapDivide()
TEXT ·trapDivide(SB), NOSPLIT, $0-0
	I64Const $1
	I64Const $0
	I64DivS
	Drop
	RET
