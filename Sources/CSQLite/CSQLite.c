#define _GNU_SOURCE  // renameat2

#include "CSQLite.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int csqlite_keep_wal_on_close(sqlite3 *connection, int keeps)
{
    return sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keeps, (int *)0);
}

int csqlite_be_defensive(sqlite3 *connection)
{
    return sqlite3_db_config(connection, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)0);
}

int csqlite_wal_end(sqlite3 *connection, sqlite3_int64 *end)
{
    enum { HEADER = 48, REGION = 32768, WAL_HEADER = 32, FRAME_HEADER = 24 };
    sqlite3_file *file = 0;
    void volatile *index = 0;
    int code = sqlite3_file_control(connection, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    // The connection's first read mapped the index: this finds that mapping and makes no new one.
    if (code == SQLITE_OK) code = file->pMethods->xShmMap(file, 0, REGION, 0, &index);
    if (code != SQLITE_OK) return code;
    if (!index) return SQLITE_PROTOCOL;
    unsigned char headers[2 * HEADER];
    for (int i = 0; i < 2 * HEADER; i++) headers[i] = ((unsigned char volatile *)index)[i];
    // SQLite writes the header twice: a reader that sees two different copies has come during a write.
    if (memcmp(headers, headers + HEADER, HEADER)) return SQLITE_BUSY;
    uint16_t page;
    uint32_t frames;
    memcpy(&page, headers + 14, sizeof page);
    memcpy(&frames, headers + 16, sizeof frames);
    sqlite3_int64 pageSize = page == 1 ? 65536 : page;
    *end = frames ? WAL_HEADER + frames * (FRAME_HEADER + pageSize) : 0;
    return SQLITE_OK;
}

int csqlite_rename_new(const char *from, const char *to)
{
    enum { NO_REPLACE = 1 };
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, NO_REPLACE);
}

int csqlite_bind_text(sqlite3_stmt *statement, int index, const char *text, int length)
{
    return sqlite3_bind_text(statement, index, text ? text : "", length, SQLITE_TRANSIENT);
}

int csqlite_bind_blob(sqlite3_stmt *statement, int index, const void *bytes, int length)
{
    return sqlite3_bind_blob(statement, index, bytes ? bytes : "", length, SQLITE_TRANSIENT);
}
