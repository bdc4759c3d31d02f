// The file system of package powercut; its comment says what it does.
//
// The structures are those of SQLite's stable interface (https://sqlite.org/c3ref/vfs.html and
// io_methods.html), declared here because go-sqlite3 brings its header along for itself only.

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef long long i64;
typedef struct file file;
typedef struct vfs vfs;

typedef struct {
  int version;
  int (*close)(file *);
  int (*read)(file *, void *, int, i64);
  int (*write)(file *, const void *, int, i64);
  int (*truncate)(file *, i64);
  int (*sync)(file *, int);
  int (*size)(file *, i64 *);
  int (*lock)(file *, int);
  int (*unlock)(file *, int);
  int (*check_reserved_lock)(file *, int *);
  int (*control)(file *, int, void *);
  int (*sector_size)(file *);
  int (*characteristics)(file *);
  int (*shm_map)(file *, int, int, int, void volatile **);
  int (*shm_lock)(file *, int, int, int);
  void (*shm_barrier)(file *);
  int (*shm_unmap)(file *, int);
} methods;

struct file {
  const methods *methods;
};

struct vfs {
  int version, file_size, max_path;
  vfs *next;
  const char *name;
  void *data;
  int (*open)(vfs *, const char *, file *, int, int *);
  int (*delete)(vfs *, const char *, int);
  int (*access)(vfs *, const char *, int, int *);
  int (*full_path)(vfs *, const char *, int, char *);
  void *(*dl_open)(vfs *, const char *);
  void (*dl_error)(vfs *, int, char *);
  void (*(*dl_symbol)(vfs *, void *, const char *))(void);
  void (*dl_close)(vfs *, void *);
  int (*randomness)(vfs *, int, char *);
  int (*sleep)(vfs *, int);
  int (*time)(vfs *, double *);
  int (*last_error)(vfs *, int, char *);
  int (*time64)(vfs *, i64 *);
  void *(*system_calls[3])(void);
};

// Weak, because go links this package alone as well, to look at it.
extern vfs *sqlite3_vfs_find(const char *) __attribute__((weak));
extern int sqlite3_vfs_register(vfs *, int) __attribute__((weak));

enum { OK = 0, IOERR = 10, CANTOPEN = 14, POWERSAFE_OVERWRITE = 0x1000, SECTOR = 512 };

// pending is a write, or with no bytes a truncation, that no sync followed.
typedef struct pending {
  struct pending *next;
  i64 offset;
  int length;
  char bytes[];
} pending;

// node is what is known of a file by its path.
typedef struct node {
  struct node *next;
  char *path;
  char *durable; // its content at the last sync
  i64 size;
  pending *first, **last;
} node;

typedef struct {
  file base;
  node *node; // NULL for temporary files
  file real[];
} wrapped;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static vfs *system_vfs;
static node *nodes;
static int off;
static i64 done, cut_at;
static unsigned long long random_state;

static unsigned long long random_below(unsigned long long n) { // xorshift
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state % n;
}

static void resize(node *n, i64 size) {
  if (size > n->size) {
    n->durable = realloc(n->durable, size);
    memset(n->durable + n->size, 0, size - n->size);
  }
  n->size = size;
}

// apply does to the durable content what a write does, to all of it or to some sectors.
static void apply(node *n, const pending *p, int some) {
  if (p->length == 0) {
    resize(n, p->offset);
    return;
  }
  for (int i = 0; i < p->length;) {
    int end = i + SECTOR - (int)((p->offset + i) % SECTOR);
    if (end > p->length) end = p->length;
    if (!some || random_below(2)) {
      if (p->offset + end > n->size) resize(n, p->offset + end);
      memcpy(n->durable + p->offset + i, p->bytes + i, end - i);
    }
    i = end;
  }
}

static void forget_pending(node *n) {
  while (n->first) {
    pending *p = n->first;
    n->first = p->next;
    free(p);
  }
  n->last = &n->first;
}

static void remember(node *n, const void *bytes, int length, i64 offset) {
  pending *p = malloc(sizeof *p + length);
  p->next = NULL;
  p->offset = offset;
  p->length = length;
  if (length) memcpy(p->bytes, bytes, length);
  *n->last = p;
  n->last = &p->next;
}

// lose makes a file what the disk holds of it after the cut.
static void lose(node *n) {
  int count = 0;
  for (pending *p = n->first; p; p = p->next) count++;
  int how = random_below(4), kept = random_below(count + 1), i = 0;
  for (pending *p = n->first; p; p = p->next, i++) {
    switch (how) {
    case 0: break;                                       // nothing was written
    case 1: apply(n, p, 0); break;                       // all was
    case 2: if (i <= kept) apply(n, p, i == kept); break; // up to some point, the last one in part
    case 3: if (random_below(2)) apply(n, p, random_below(2)); break;
    }
  }
  forget_pending(n);
  int fd = open(n->path, O_WRONLY | O_TRUNC);
  if (fd < 0) return; // it was deleted
  for (i64 at = 0; at < n->size;) {
    ssize_t written = write(fd, n->durable + at, n->size - at);
    if (written <= 0) abort(); // the test would tell nothing
    at += written;
  }
  close(fd);
}

// step counts an operation and cuts the power if it is the one. The caller holds the mutex.
static int step(void) {
  if (off) return IOERR;
  if (++done != cut_at) return OK;
  off = 1;
  for (node *n = nodes; n; n = n->next) lose(n);
  return IOERR;
}

static node *node_of(const char *path) {
  for (node *n = nodes; n; n = n->next)
    if (strcmp(n->path, path) == 0) return n;
  node *n = calloc(1, sizeof *n);
  n->path = strdup(path);
  n->last = &n->first;
  n->next = nodes;
  nodes = n;
  int fd = open(path, O_RDONLY);
  if (fd < 0) return n;
  resize(n, lseek(fd, 0, SEEK_END));
  if (n->size && pread(fd, n->durable, n->size, 0) != n->size) abort();
  close(fd);
  return n;
}

#define REAL(f) (((wrapped *)(f))->real)
#define NODE(f) (((wrapped *)(f))->node)

static int is_off(void) {
  pthread_mutex_lock(&mutex);
  int result = off;
  pthread_mutex_unlock(&mutex);
  return result;
}

static int f_close(file *f) { return REAL(f)->methods->close(REAL(f)); }

static int f_read(file *f, void *to, int length, i64 offset) {
  return is_off() ? IOERR : REAL(f)->methods->read(REAL(f), to, length, offset);
}

static int f_write(file *f, const void *bytes, int length, i64 offset) {
  pthread_mutex_lock(&mutex);
  if (NODE(f) && !off) remember(NODE(f), bytes, length, offset);
  int result = step();
  if (result == OK) result = REAL(f)->methods->write(REAL(f), bytes, length, offset);
  pthread_mutex_unlock(&mutex);
  return result;
}

static int f_truncate(file *f, i64 size) {
  pthread_mutex_lock(&mutex);
  if (NODE(f) && !off) remember(NODE(f), NULL, 0, size);
  int result = step();
  if (result == OK) result = REAL(f)->methods->truncate(REAL(f), size);
  pthread_mutex_unlock(&mutex);
  return result;
}

// The real file need not be synced: only what is here counts.
static int f_sync(file *f, int flags) {
  (void)flags;
  pthread_mutex_lock(&mutex);
  int result = step();
  if (result == OK && NODE(f)) {
    for (pending *p = NODE(f)->first; p; p = p->next) apply(NODE(f), p, 0);
    forget_pending(NODE(f));
  }
  pthread_mutex_unlock(&mutex);
  return result;
}

static int f_size(file *f, i64 *size) { return is_off() ? IOERR : REAL(f)->methods->size(REAL(f), size); }
static int f_lock(file *f, int level) { return REAL(f)->methods->lock(REAL(f), level); }
static int f_unlock(file *f, int level) { return REAL(f)->methods->unlock(REAL(f), level); }
static int f_check(file *f, int *out) { return REAL(f)->methods->check_reserved_lock(REAL(f), out); }
static int f_control(file *f, int op, void *arg) { return REAL(f)->methods->control(REAL(f), op, arg); }
static int f_sector_size(file *f) { (void)f; return SECTOR; }
static int f_characteristics(file *f) { (void)f; return POWERSAFE_OVERWRITE; }
static int f_shm_map(file *f, int page, int size, int extend, void volatile **to) {
  return REAL(f)->methods->shm_map(REAL(f), page, size, extend, to);
}
static int f_shm_lock(file *f, int offset, int n, int flags) { return REAL(f)->methods->shm_lock(REAL(f), offset, n, flags); }
static void f_shm_barrier(file *f) { REAL(f)->methods->shm_barrier(REAL(f)); }
static int f_shm_unmap(file *f, int delete) { return REAL(f)->methods->shm_unmap(REAL(f), delete); }

static const methods wrapping = {
    2, f_close, f_read, f_write, f_truncate, f_sync, f_size, f_lock, f_unlock, f_check, f_control,
    f_sector_size, f_characteristics, f_shm_map, f_shm_lock, f_shm_barrier, f_shm_unmap,
};

static int v_open(vfs *v, const char *name, file *f, int flags, int *out) {
  (void)v;
  wrapped *w = (wrapped *)f;
  w->base.methods = NULL;
  w->node = NULL;
  if (is_off()) return CANTOPEN;
  w->real->methods = NULL;
  int result = system_vfs->open(system_vfs, name, w->real, flags, out);
  if (result != OK) return result;
  if (name) {
    pthread_mutex_lock(&mutex);
    w->node = node_of(name);
    pthread_mutex_unlock(&mutex);
  }
  w->base.methods = &wrapping;
  return OK;
}

// A deletion counts as durable at once.
static int v_delete(vfs *v, const char *name, int sync) {
  (void)v;
  pthread_mutex_lock(&mutex);
  int result = step();
  if (result == OK) {
    result = system_vfs->delete(system_vfs, name, 0 * sync);
    node *n = node_of(name);
    forget_pending(n);
    n->size = 0;
  }
  pthread_mutex_unlock(&mutex);
  return result;
}

static int v_access(vfs *v, const char *name, int flags, int *out) {
  (void)v;
  return is_off() ? IOERR : system_vfs->access(system_vfs, name, flags, out);
}

int powercut_register(void) {
  static vfs power;
  if (!sqlite3_vfs_find || !sqlite3_vfs_register) return 1;
  if (system_vfs) return 0;
  system_vfs = sqlite3_vfs_find(NULL);
  if (!system_vfs) return 1;
  power = *system_vfs;
  power.name = "powercut";
  power.file_size = (int)sizeof(wrapped) + system_vfs->file_size;
  power.open = v_open;
  power.delete = v_delete;
  power.access = v_access;
  return sqlite3_vfs_register(&power, 0);
}

void powercut_arm(i64 after, unsigned long long seed) {
  pthread_mutex_lock(&mutex);
  while (nodes) {
    node *n = nodes;
    nodes = n->next;
    forget_pending(n);
    free(n->durable);
    free(n->path);
    free(n);
  }
  off = 0;
  done = 0;
  cut_at = after;
  random_state = seed * 2 + 1; // never 0
  pthread_mutex_unlock(&mutex);
}

i64 powercut_disarm(void) {
  pthread_mutex_lock(&mutex);
  cut_at = 0;
  i64 result = done;
  pthread_mutex_unlock(&mutex);
  return result;
}

int powercut_is_off(void) { return is_off(); }
