/* What WELCOME names. VERSION_MODEL has at most 16 printable ASCII characters. */
#ifndef VERSION_H
#define VERSION_H

#define VERSION_MODEL "lane lm3s6965"

enum {
	VERSION_MAJOR = 1,
	VERSION_MINOR = 0,
	VERSION_PATCH = 0,
};

#endif
