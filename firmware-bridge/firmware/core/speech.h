/* What a controller says: the bodies of its messages, and when those are due that nobody asked for. */
#ifndef SPEECH_H
#define SPEECH_H

#include "message.h"
#include "rules.h"

/* The FLAG_ bits as they are. */
uint16_t rules_flags(const struct rules *r);

void say_welcome(struct rules *r, uint32_t session);
void say_state(struct rules *r, uint32_t now);
void say_answer(struct rules *r, uint32_t number, enum code code);
/* Answers asked, a CARD OUT or an UPDATE. */
void say_reply(struct rules *r, const struct frame *asked, enum reply code);
/* Says what is due at now without being asked. */
void say_due(struct rules *r, uint32_t now);

#endif
