// Debian's libsqlite3-dev, and what Swift cannot call: sqlite3_db_config is variadic, SQLITE_TRANSIENT is a cast, and what
// the store needs of the system beside it.
#ifndef CSQLITE_SHIM_H
#define CSQLITE_SHIM_H

#include <fcntl.h>
#include <sqlite3.h>
#include <stdint.h>
#include <string.h>

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

/// Where the WAL's last commit ends, in bytes, as the index of the WAL knows it, which all connections share. What lies behind
/// it is no commit, as long as the caller holds the write lock. SQLite tells it nowhere else without a checkpoint; the index is
/// a documented format (sqlite.org/walformat.html, section 2.1).
static inline int csqlite_wal_end(sqlite3 *connection, sqlite3_int64 *end)
{
    enum { HEADER = 48, REGION = 32768, WAL_HEADER = 32, FRAME_HEADER = 24 };
    sqlite3_file *file = 0;
    void volatile *index = 0;
    int code = sqlite3_file_control(connection, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    // Mapped by the connection's first read: this finds the mapping, and makes none.
    if (code == SQLITE_OK) code = file->pMethods->xShmMap(file, 0, REGION, 0, &index);
    if (code != SQLITE_OK) return code;
    if (!index) return SQLITE_PROTOCOL;
    unsigned char headers[2 * HEADER];
    for (int i = 0; i < 2 * HEADER; i++) headers[i] = ((unsigned char volatile *)index)[i];
    // Written twice, so that a reader sees where it is being written.
    if (memcmp(headers, headers + HEADER, HEADER)) return SQLITE_BUSY;
    uint16_t page;
    uint32_t frames;
    memcpy(&page, headers + 14, sizeof page);
    memcpy(&frames, headers + 16, sizeof frames);
    sqlite3_int64 pageSize = page == 1 ? 65536 : page;
    *end = frames ? WAL_HEADER + frames * (FRAME_HEADER + pageSize) : 0;
    return SQLITE_OK;
}

// glibc's, which it declares for GNU programs alone.
int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned int flags);

/// rename(2) that replaces nothing: where `to` exists, EEXIST; where the file system cannot tell, EINVAL.
static inline int csqlite_rename_new(const char *from, const char *to)
{
    enum { NO_REPLACE = 1 };
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, NO_REPLACE);
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
