// What must happen before the program's libraries begin.
#ifndef CSTART_H
#define CSTART_H

/// Lets SIGHUP have its usual effect again. It is blocked from the first instruction of the program on, so that a reload
/// that comes early waits and does not end it.
void cstart_release_hangups(void);

#endif
