// Debian's libsqlite3-dev, and what of it Swift cannot call: sqlite3_db_config is variadic, SQLITE_TRANSIENT is a cast.
#ifndef CSQLITE_SHIM_H
#define CSQLITE_SHIM_H

#include <sqlite3.h>

/// Lets closing leave the files as they are: by default the last connection checkpoints and removes the WAL.
static inline int csqlite_keep_wal_on_close(sqlite3 *connection, int keeps)
{
    return sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keeps, (int *)0);
}

/// Refuses SQL that could damage the file: writable_schema, journal_mode=OFF, writes to shadow tables.
static inline int csqlite_be_defensive(sqlite3 *connection)
{
    return sqlite3_db_config(connection, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)0);
}

/// `text` is copied; NULL is the empty one.
static inline int csqlite_bind_text(sqlite3_stmt *statement, int index, const char *text, int length)
{
    return sqlite3_bind_text(statement, index, text ? text : "", length, SQLITE_TRANSIENT);
}

/// `bytes` is copied; NULL is none.
static inline int csqlite_bind_blob(sqlite3_stmt *statement, int index, const void *bytes, int length)
{
    return sqlite3_bind_blob(statement, index, bytes ? bytes : "", length, SQLITE_TRANSIENT);
}

#endif
