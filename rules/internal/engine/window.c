// Scanning, in one piece or through a window. For the latter libyara offers blocks, but three of
// its habits must be corrected to make blocks of one file mean the same as the whole file:
//
//   - Strings with large gaps are searched in parts, and the parts found so far are remembered
//     with offsets relative to their block. In the next block they would be taken for
//     neighbours (and memory outside the block be read). So they are forgotten between blocks;
//     the overlap finds what is cut in two.
//   - At the edges of a block, fullword strings and the anchors of regular expressions see the
//     edge instead of the neighbouring bytes. Occurrences there are dropped, except at the true
//     ends of the file; the overlap contains them again, away from the edge.
//   - Conditions and modules read blocks again and again. The first block stays in memory, and
//     the last one fetched.

#include <stdlib.h>
#include <string.h>

#include "engine.h"

extern size_t tytoFetch(uintptr_t handle, uint64_t offset, uint8_t* buffer, size_t size);

enum { EDGE = 4 };  // bytes: a wide word character on either side, and one to spare

typedef struct {
  tyto_scanner* s;
  uint64_t size;
  size_t chunk, step;
  int searching;  // the pass in which strings are searched; conditions come after it

  YR_MEMORY_BLOCK block;
  uint64_t index;  // of the block

  const uint8_t* whole;  // content that is in memory as one block; else it is fetched
  uintptr_t handle;
  uint8_t* first;  // the data of block 0
  size_t first_read;
  uint8_t* other;  // the data of another block
  size_t other_read;
  uint64_t other_index;
} window;

// Reads a block once. Short reads leave zeros, as a file that shrinks does.
static const uint8_t* fetch(YR_MEMORY_BLOCK* block)
{
  window* w = (window*) block->context;

  if (w->whole != NULL)
    return w->whole;

  uint8_t* buffer = w->index == 0 ? w->first : w->other;

  if (w->index == 0 ? w->first_read == block->size
                    : w->other_index == w->index && w->other_read == block->size)
    return buffer;

  size_t n = block->size == 0 ? 0 : tytoFetch(w->handle, block->base, buffer, block->size);
  memset(buffer + n, 0, block->size - n);
  if (w->index == 0)
    w->first_read = block->size;
  else
  {
    w->other_index = w->index;
    w->other_read = block->size;
  }
  return buffer;
}

static YR_MEMORY_BLOCK* place(window* w, uint64_t index)
{
  uint64_t base = index * w->step;

  w->index = index;
  w->block.base = base;
  w->block.size = w->size - base < w->chunk ? (size_t) (w->size - base) : w->chunk;
  return &w->block;
}

static int is_last(window* w) { return w->block.base + w->block.size >= w->size; }

static void remove_match(YR_MATCHES* list, YR_MATCH* m)
{
  if (m->prev != NULL)
    m->prev->next = m->next;
  else
    list->head = m->next;
  if (m->next != NULL)
    m->next->prev = m->prev;
  else
    list->tail = m->prev;
  list->count--;
}

// Corrects what libyara found in the block just searched.
static void settle(window* w)
{
  YR_SCANNER* scanner = w->s->scanner;
  uint64_t start = w->block.base, stop = start + w->block.size;

  for (uint32_t i = 0; i < scanner->rules->num_strings; i++)
  {
    YR_MATCH* m = scanner->matches[i].tail;

    while (m != NULL && (uint64_t) m->base == start)
    {
      YR_MATCH* previous = m->prev;
      uint64_t from = (uint64_t) (m->base + m->offset), to = from + (uint64_t) m->match_length;

      if ((start > 0 && from < start + EDGE) || (!is_last(w) && to + EDGE > stop))
        remove_match(&scanner->matches[i], m);
      m = previous;
    }
  }
  memset(
      scanner->unconfirmed_matches, 0, sizeof(YR_MATCHES) * scanner->rules->num_strings);
}

static YR_MEMORY_BLOCK* next(YR_MEMORY_BLOCK_ITERATOR* iterator)
{
  window* w = (window*) iterator->context;

  if (w->searching && w->whole == NULL)
    settle(w);
  if (is_last(w))
  {
    w->searching = 0;
    return NULL;
  }
  return place(w, w->index + 1);
}

// libyara asks for the first block when everything is ready for searching strings. That is where
// our own search takes place, over all blocks; libyara is then told that there are none, and goes
// on to the conditions, for which there are.
static YR_MEMORY_BLOCK* first(YR_MEMORY_BLOCK_ITERATOR* iterator)
{
  window* w = (window*) iterator->context;
  YR_MEMORY_BLOCK* block = place(w, 0);

  if (!w->searching || w->s->index == NULL)
    return block;

  for (; block != NULL; block = next(iterator))
  {
    iterator->last_error = tyto_search(w->s, fetch(block), block->size, block->base);
    if (iterator->last_error != ERROR_SUCCESS)
      break;
  }
  w->searching = 0;
  return NULL;
}

static uint64_t file_size(YR_MEMORY_BLOCK_ITERATOR* iterator)
{
  return ((window*) iterator->context)->size;
}

static int scan(window* w)
{
  YR_MEMORY_BLOCK_ITERATOR iterator = {
      .context = w,
      .first = first,
      .next = next,
      .file_size = file_size,
      .last_error = ERROR_SUCCESS,
  };
  w->block.context = w;
  w->block.fetch_data = fetch;
  w->searching = 1;
  return yr_scanner_scan_mem_blocks(w->s->scanner, &iterator);
}

int tyto_scan_whole(tyto_scanner* s, const uint8_t* data, size_t size)
{
  window w = {.s = s, .size = size, .chunk = size, .step = size, .whole = data};

  // An empty slice of Go may have no address, which to libyara is a failure to read.
  if (data == NULL)
    w.whole = (const uint8_t*) "";
  return scan(&w);
}

int tyto_scan_window(
    tyto_scanner* s, uint64_t size, size_t chunk, size_t overlap, uintptr_t handle)
{
  window w = {
      .s = s,
      .handle = handle,
      .size = size,
      .chunk = chunk,
      .step = chunk - overlap,
      .first = malloc(chunk),
      .first_read = SIZE_MAX,
      .other = malloc(chunk),
      .other_read = SIZE_MAX,
  };
  int result = w.first != NULL && w.other != NULL ? scan(&w) : ERROR_INSUFFICIENT_MEMORY;

  free(w.first);
  free(w.other);
  return result;
}
