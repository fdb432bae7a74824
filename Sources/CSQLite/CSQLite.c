#define _GNU_SOURCE  // renameat2

#include "CSQLite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int csqlite_keep_wal_on_close(sqlite3 *connection, int keeps)
{
    return sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keeps, (int *)0);
}

int csqlite_be_defensive(sqlite3 *connection)
{
    return sqlite3_db_config(connection, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)0);
}

enum { WAL_HEADER = 32, FRAME_HEADER = 24, MAX_PAGE = 65536 };

// A region of the index of the WAL. The connection's reads mapped it: this finds that mapping and makes no new one.
static int csqlite_index_region(sqlite3 *connection, int number, void volatile **region)
{
    enum { REGION = 32768 };
    sqlite3_file *file = 0;
    *region = 0;
    int code = sqlite3_file_control(connection, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (code == SQLITE_OK) code = file->pMethods->xShmMap(file, number, REGION, 0, region);
    if (code != SQLITE_OK) return code;
    return *region ? SQLITE_OK : SQLITE_PROTOCOL;
}

int csqlite_wal_of(sqlite3 *connection, csqlite_wal *wal)
{
    enum { HEADER = 48 };
    void volatile *index;
    int code = csqlite_index_region(connection, 0, &index);
    if (code != SQLITE_OK) return code;
    unsigned char headers[2 * HEADER];
    for (int i = 0; i < 2 * HEADER; i++) headers[i] = ((unsigned char volatile *)index)[i];
    // SQLite writes the header twice: a reader that sees two different copies has come during a write.
    if (memcmp(headers, headers + HEADER, HEADER)) return SQLITE_BUSY;
    uint16_t page;
    memcpy(&page, headers + 14, sizeof page);
    wal->page_size = page == 1 ? MAX_PAGE : page;
    memcpy(&wal->frames, headers + 16, sizeof wal->frames);
    memcpy(&wal->checksum, headers + 24, sizeof wal->checksum);
    memcpy(&wal->salt, headers + 32, sizeof wal->salt);
    return SQLITE_OK;
}

static uint32_t csqlite_big_endian(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

// Adds `length` bytes, a multiple of 8, to a checksum (sqlite.org/fileformat.html, section 4.2).
static void csqlite_add(uint32_t sum[2], const unsigned char *bytes, size_t length, int swaps)
{
    uint32_t first = sum[0], second = sum[1], words[2];
    for (size_t i = 0; i < length; i += sizeof words) {
        memcpy(words, bytes + i, sizeof words);
        first += (swaps ? __builtin_bswap32(words[0]) : words[0]) + second;
        second += (swaps ? __builtin_bswap32(words[1]) : words[1]) + first;
    }
    sum[0] = first;
    sum[1] = second;
}

static int csqlite_has_checksum(const unsigned char *bytes, const uint32_t sum[2])
{
    return csqlite_big_endian(bytes) == sum[0] && csqlite_big_endian(bytes + 4) == sum[1];
}

// Like pread, but reads on after an interruption, and ends early at the end of the file alone.
static ssize_t csqlite_read_at(int file, unsigned char *bytes, size_t length, off_t place)
{
    size_t done = 0;
    while (done < length) {
        ssize_t count = pread(file, bytes + done, length - done, place + (off_t)done);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return -1;
        if (count == 0) break;
        done += (size_t)count;
    }
    return (ssize_t)done;
}

// Whether the index says of a frame, counted from 0, that it holds this page. A checkpoint believes the index.
static int csqlite_index_has(sqlite3 *connection, uint32_t frame, uint32_t page)
{
    // The first region begins with the headers, in place of the pages of 34 frames.
    enum { FRAMES = 4096, HEADERS = 34 };
    uint32_t place = frame + HEADERS;
    void volatile *region;
    if (csqlite_index_region(connection, (int)(place / FRAMES), &region) != SQLITE_OK) return 0;
    return ((uint32_t volatile *)region)[place % FRAMES] == page;
}

int csqlite_wal_is_whole(sqlite3 *connection, int file, const csqlite_wal *wal, csqlite_wal *verified)
{
    unsigned char frame[FRAME_HEADER + MAX_PAGE];
    if (!wal->frames) return 1;
    ssize_t count = csqlite_read_at(file, frame, WAL_HEADER, 0);
    if (count < 0) return -1;
    // The last bit of the magic number: the checksums read words as big-endian.
    uint32_t magic = csqlite_big_endian(frame);
    if (count != WAL_HEADER || (magic & ~1U) != 0x377f0682 || wal->page_size > MAX_PAGE
        || csqlite_big_endian(frame + 8) != wal->page_size || memcmp(frame + 16, &wal->salt, sizeof wal->salt)) {
        return 0;
    }
    const uint32_t one = 1;
    unsigned char hostIsLittle;
    memcpy(&hostIsLittle, &one, 1);
    int swaps = (int)(magic & 1) == hostIsLittle;
    uint32_t sum[2] = {0, 0};
    csqlite_add(sum, frame, WAL_HEADER - 8, swaps);
    if (!csqlite_has_checksum(frame + WAL_HEADER - 8, sum)) return 0;

    uint32_t done = 0;
    if (verified->salt == wal->salt && verified->page_size == wal->page_size && verified->frames <= wal->frames) {
        done = verified->frames;
        if (done) memcpy(sum, &verified->checksum, sizeof sum);
    }
    size_t length = FRAME_HEADER + wal->page_size;
    for (; done < wal->frames; done++) {
        count = csqlite_read_at(file, frame, length, WAL_HEADER + (off_t)done * (off_t)length);
        if (count < 0) return -1;
        if ((size_t)count != length || memcmp(frame + 8, &wal->salt, sizeof wal->salt)
            || !csqlite_index_has(connection, done, csqlite_big_endian(frame))) {
            return 0;
        }
        csqlite_add(sum, frame, 8, swaps);
        csqlite_add(sum, frame + FRAME_HEADER, wal->page_size, swaps);
        if (!csqlite_has_checksum(frame + 16, sum)) return 0;
    }
    if (memcmp(sum, &wal->checksum, sizeof sum)) return 0;
    *verified = *wal;
    return 1;
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
