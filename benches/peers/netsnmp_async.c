/*
 * Reads tables from many agents with net-snmp's C library, all agents at once, as fast as they answer.
 *
 * The library's best way: its "single session" calls, one socket an agent, epoll around them (the traditional calls look
 * at every session each time one has something to read).
 *
 *   netsnmp_async TARGETS SHAPE REPETITIONS CYCLES OID...
 *
 * TARGETS: a file, `NAME ADDRESS:PORT` a line. SHAPE: `packed`, all columns in a request; `single`, one.
 * Prints: values, their checksum, requests, CPU-seconds, seconds; of all cycles but a first one, which is not measured.
 */
#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

enum { MAX_COLUMNS = 64, MAX_OID = 32 };

struct column {
    oid name[MAX_OID];
    size_t length;
};

struct agent {
    struct snmp_session *session;
    void *handle;
    uint64_t number;
    /* Where each column is read on; length 0: at its end. */
    struct column at[MAX_COLUMNS];
    /* Which columns the request in flight asks for. */
    int asked[MAX_COLUMNS];
    int asked_count;
    int current;
    int busy;
};

static struct column columns[MAX_COLUMNS];
static int column_count, packed, busy_agents;
static long repetitions;
static uint64_t values, checksum, requests;

static uint64_t mix(uint64_t n) {
    n += 0x9e3779b97f4a7c15u;
    n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9u;
    n = (n ^ (n >> 27)) * 0x94d049bb133111ebu;
    return n ^ (n >> 31);
}

static void fail(const char *what) {
    fprintf(stderr, "netsnmp_async: %s\n", what);
    exit(1);
}

static int answered(int operation, struct snmp_session *session, int id, struct snmp_pdu *reply, void *magic);

/* Asks for the columns that have not ended; not at all once all have. */
static void ask(struct agent *agent) {
    agent->asked_count = 0;
    while (agent->current < column_count && agent->at[agent->current].length == 0)
        agent->current++;
    int until = packed ? column_count : agent->current + 1;
    for (int c = agent->current; c < until && c < column_count; c++)
        if (agent->at[c].length)
            agent->asked[agent->asked_count++] = c;
    if (agent->asked_count == 0) {
        agent->busy = 0;
        busy_agents--;
        return;
    }
    struct snmp_pdu *pdu = snmp_pdu_create(SNMP_MSG_GETBULK);
    pdu->non_repeaters = 0;
    pdu->max_repetitions = repetitions;
    for (int i = 0; i < agent->asked_count; i++)
        snmp_add_null_var(pdu, agent->at[agent->asked[i]].name, agent->at[agent->asked[i]].length);
    requests++;
    if (!snmp_sess_async_send(agent->handle, pdu, answered, agent))
        fail("a request could not be sent");
}

static int is_below(const struct column *column, const struct variable_list *var) {
    return var->name_length > column->length
        && memcmp(var->name, column->name, column->length * sizeof(oid)) == 0;
}

static uint64_t number(const struct variable_list *var) {
    switch (var->type) {
    case ASN_INTEGER:
    case ASN_COUNTER:
    case ASN_GAUGE:
    case ASN_TIMETICKS:
        return (uint64_t)(uint32_t)*var->val.integer;
    case ASN_COUNTER64:
        return (uint64_t)var->val.counter64->high << 32 | var->val.counter64->low;
    default:
        fail("a value that is no number");
        return 0;
    }
}

static int answered(int operation, struct snmp_session *session, int id, struct snmp_pdu *reply, void *magic) {
    struct agent *agent = magic;
    (void)session;
    (void)id;
    if (operation != NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE || reply->errstat != SNMP_ERR_NOERROR)
        fail("a request was not answered");
    int ended[MAX_COLUMNS] = {0};
    int i = 0;
    for (struct variable_list *var = reply->variables; var; var = var->next_variable, i++) {
        int c = agent->asked[i % agent->asked_count];
        if (ended[c])
            continue;
        if (var->type == SNMP_ENDOFMIBVIEW || !is_below(&columns[c], var)) {
            ended[c] = 1;
            continue;
        }
        values++;
        uint64_t row = var->name[var->name_length - 1];
        checksum += mix(mix(agent->number << 40 | (uint64_t)c << 32 | row) ^ number(var));
        memcpy(agent->at[c].name, var->name, var->name_length * sizeof(oid));
        agent->at[c].length = var->name_length;
    }
    for (int c = 0; c < column_count; c++)
        if (ended[c])
            agent->at[c].length = 0;
    ask(agent);
    return 1;
}

static void begin(struct agent *agents, int count) {
    busy_agents = count;
    for (int i = 0; i < count; i++) {
        memcpy(agents[i].at, columns, sizeof(struct column) * (size_t)column_count);
        agents[i].current = 0;
        agents[i].busy = 1;
        ask(&agents[i]);
    }
}

static void cycle(struct agent *agents, int count, int poll) {
    struct epoll_event events[256];
    begin(agents, count);
    while (busy_agents > 0) {
        int ready = epoll_wait(poll, events, 256, 1000);
        if (ready == 0)
            for (int i = 0; i < count; i++)
                snmp_sess_timeout(agents[i].handle);
        for (int i = 0; i < ready; i++) {
            struct agent *agent = events[i].data.ptr;
            int fd = snmp_sess_transport(agent->handle)->sock;
            fd_set set;
            FD_ZERO(&set);
            FD_SET(fd, &set);
            snmp_sess_read(agent->handle, &set);
        }
    }
}

static double cpu(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
        + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static struct agent *open_all(const char *path, int poll, int *count) {
    FILE *file = fopen(path, "r");
    if (!file)
        fail("no file of targets");
    char name[256], address[256];
    int room = 16;
    struct agent *agents = calloc((size_t)room, sizeof *agents);
    for (*count = 0; fscanf(file, "%255s %255s", name, address) == 2; ++*count) {
        if (*count == room) {
            agents = realloc(agents, sizeof *agents * (size_t)(room *= 2));
            memset(agents + *count, 0, sizeof *agents * (size_t)(room - *count));
        }
        struct snmp_session wanted;
        snmp_sess_init(&wanted);
        wanted.version = SNMP_VERSION_2c;
        wanted.peername = address;
        wanted.community = (u_char *)"public";
        wanted.community_len = strlen("public");
        struct agent *agent = &agents[*count];
        agent->handle = snmp_sess_open(&wanted);
        if (!agent->handle)
            fail("a session could not be opened");
        agent->number = (uint64_t)*count;
        if (snmp_sess_transport(agent->handle)->sock >= FD_SETSIZE)
            fail("too many agents for an fd_set");
    }
    fclose(file);
    for (int i = 0; i < *count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &agents[i]};
        if (epoll_ctl(poll, EPOLL_CTL_ADD, snmp_sess_transport(agents[i].handle)->sock, &event))
            fail("epoll_ctl");
    }
    return agents;
}

int main(int argc, char **argv) {
    if (argc < 6)
        fail("usage: netsnmp_async TARGETS packed|single REPETITIONS CYCLES OID...");
    /* No MIB files, no configuration: neither is needed, and both cost. */
    setenv("MIBS", "", 1);
    setenv("SNMPCONFPATH", "/nonexistent", 1);
    init_snmp("netsnmp_async");
    packed = strcmp(argv[2], "packed") == 0;
    repetitions = atol(argv[3]);
    int cycles = atoi(argv[4]);
    for (int i = 5; i < argc && column_count < MAX_COLUMNS; i++, column_count++) {
        columns[column_count].length = MAX_OID;
        if (!read_objid(argv[i], columns[column_count].name, &columns[column_count].length))
            fail("a column is no OID");
    }
    int count, poll = epoll_create1(0);
    struct agent *agents = open_all(argv[1], poll, &count);
    cycle(agents, count, poll);
    values = checksum = requests = 0;
    double before = cpu(), since = now();
    for (int i = 0; i < cycles; i++)
        cycle(agents, count, poll);
    printf("%llu %llu %llu %.6f %.6f\n", (unsigned long long)values, (unsigned long long)checksum,
           (unsigned long long)requests, cpu() - before, now() - since);
    return 0;
}
