// The limit that libmicrohttpd sets: reads a POST and answers 200 without parsing it; the answer is as long as the
// exporter's.
//
//   limit PORT               answers at once
//   limit PORT --sync FILE   answers once 64 bytes for each post are appended to FILE and synced: connections wait
//                            suspended, and all that wait share one write and one fdatasync
//   limit PORT --get FILE    answers a GET with FILE, held in memory
//
// The same settings as the exporter's: epoll, a thread for each processor.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RECORD_BYTES = 64, BATCH_MAX = 65536 };

static char body[] = "{\"accepted\":1,\"duplicates\":0,\"rejected\":0,\"errors\":[]}\n";
static struct MHD_Response *answer;
static struct MHD_Response *page;
static int file = -1;

struct post {
    struct MHD_Connection *connection;
    bool is_synced;
};

/// Stands for each request of the server that answers at once: it has nothing to remember.
static struct post seen;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t arrived = PTHREAD_COND_INITIALIZER;
static struct post *waiting[BATCH_MAX];
static size_t waiting_count;

static void *commit(void *context)
{
    (void)context;
    static struct post *batch[BATCH_MAX];
    static char records[BATCH_MAX * RECORD_BYTES];
    for (;;) {
        pthread_mutex_lock(&lock);
        while (waiting_count == 0) pthread_cond_wait(&arrived, &lock);
        size_t count = waiting_count;
        memcpy(batch, waiting, count * sizeof *batch);
        waiting_count = 0;
        pthread_mutex_unlock(&lock);
        size_t bytes = count * RECORD_BYTES;
        if (write(file, records, bytes) != (ssize_t)bytes || fdatasync(file) != 0) abort();
        for (size_t index = 0; index < count; index++) {
            batch[index]->is_synced = true;
            MHD_resume_connection(batch[index]->connection);
        }
    }
    return NULL;
}

static enum MHD_Result handle(
    void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
    const char *upload, size_t *upload_size, void **request)
{
    (void)context, (void)url, (void)version, (void)upload;
    struct post *post = *request;
    if (post == NULL) {
        *request = post = file < 0 ? &seen : calloc(1, sizeof *post);
        return post == NULL ? MHD_NO : MHD_YES;
    }
    if (*upload_size > 0) {
        *upload_size = 0;
        return MHD_YES;
    }
    if (page != NULL && strcmp(method, MHD_HTTP_METHOD_GET) == 0) return MHD_queue_response(connection, 200, page);
    if (file < 0 || post->is_synced) return MHD_queue_response(connection, 200, answer);
    post->connection = connection;
    MHD_suspend_connection(connection);
    pthread_mutex_lock(&lock);
    if (waiting_count == BATCH_MAX) abort();
    waiting[waiting_count++] = post;
    pthread_cond_signal(&arrived);
    pthread_mutex_unlock(&lock);
    return MHD_YES;
}

static void completed(
    void *context, struct MHD_Connection *connection, void **request, enum MHD_RequestTerminationCode code)
{
    (void)context, (void)connection, (void)code;
    if (*request != &seen) free(*request);
}

/// The file as a response; libmicrohttpd owns the bytes.
static struct MHD_Response *page_of(const char *path)
{
    FILE *source = fopen(path, "rb");
    struct stat facts;
    if (source == NULL || fstat(fileno(source), &facts) != 0) return NULL;
    size_t size = (size_t)facts.st_size;
    char *bytes = malloc(size);
    if (bytes == NULL || fread(bytes, 1, size, source) != size) return NULL;
    fclose(source);
    return MHD_create_response_from_buffer(size, bytes, MHD_RESPMEM_MUST_FREE);
}

int main(int count, char **arguments)
{
    if (count != 2 && count != 4) return 2;
    if (count == 4 && strcmp(arguments[2], "--sync") == 0) {
        file = open(arguments[3], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (file < 0) return 1;
        pthread_t committer;
        if (pthread_create(&committer, NULL, commit, NULL) != 0) return 1;
    } else if (count == 4) {
        page = page_of(arguments[3]);
        if (page == NULL) return 1;
    }
    answer = MHD_create_response_from_buffer(sizeof body - 1, body, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(answer, "Content-Type", "application/json");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(arguments[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    unsigned threads = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | (file < 0 ? 0 : MHD_ALLOW_SUSPEND_RESUME), 0, NULL, NULL, handle, NULL,
        MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
        threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, threads, MHD_OPTION_END);
    if (daemon == NULL) return 1;
    pause();
    return 0;
}
