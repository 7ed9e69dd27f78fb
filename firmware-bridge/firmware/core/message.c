#include "message.h"

#include "card.h"

bool message_fits(const struct frame *f)
{
	switch (f->type) {
	case TYPE_BEAT:
	case TYPE_LOCK:
		return f->length == 0;
	case TYPE_HELLO:
	case TYPE_SIGNAL:
	case TYPE_SEEN:
	case TYPE_CARD_SEEN:
		return f->length == 4;
	case TYPE_OPEN:
		return f->length == 9;
	case TYPE_UPDATE:
		return f->length == 8;
	case TYPE_CARD_OUT:
		return f->length > 2 && card_fits(f->body[1], f->body + 2, (uint8_t)(f->length - 2));
	}
	return false;
}
