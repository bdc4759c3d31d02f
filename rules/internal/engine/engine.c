#include "engine.h"

#include <stdlib.h>
#include <string.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

// ---- loading -------------------------------------------------------------------------------

typedef struct {
  const uint8_t* data;
  size_t left;
} memory_stream;

static size_t read_memory(void* ptr, size_t size, size_t count, void* user_data)
{
  memory_stream* m = (memory_stream*) user_data;

  if (size == 0)
    return count;
  if (count > m->left / size)
    count = m->left / size;
  memcpy(ptr, m->data, size * count);
  m->data += size * count;
  m->left -= size * count;
  return count;
}

// libyara keeps a list of all pointers inside the rules, in order to be able to save them again:
// 32 bytes of heap for each of some 400,000. Rules loaded for scanning are never saved.
static void free_relocations(YR_ARENA* arena)
{
  YR_RELOC* r = arena->reloc_list_head;

  while (r != NULL)
  {
    YR_RELOC* next = r->next;
    free(r);
    r = next;
  }
  arena->reloc_list_head = NULL;
  arena->reloc_list_tail = NULL;
#ifdef __GLIBC__
  malloc_trim(0);  // small pieces are not given back otherwise
#endif
}

static int callback(YR_SCAN_CONTEXT* context, int message, void* data, void* user_data);

static int new_scanner(tyto_scanner* s)
{
  if (s->scanner != NULL)
    yr_scanner_destroy(s->scanner);
  s->scanner = NULL;

  int result = yr_scanner_create(s->rules, &s->scanner);
  if (result != ERROR_SUCCESS)
    return result;

  yr_scanner_set_callback(s->scanner, callback, s);
  // The content is in memory that cannot fault, so libyara need not handle signals, and must
  // not: they are Go's.
  yr_scanner_set_flags(
      s->scanner, SCAN_FLAGS_REPORT_RULES_MATCHING | SCAN_FLAGS_NO_TRYCATCH);
  return ERROR_SUCCESS;
}

int tyto_open(
    const uint8_t* blob, size_t size, tyto_limits limits, int plain, tyto_scanner** out)
{
  memory_stream memory = {blob, size};
  YR_STREAM stream = {.user_data = &memory, .read = read_memory};
  tyto_scanner* s = (tyto_scanner*) calloc(1, sizeof(tyto_scanner));

  if (s == NULL)
    return ERROR_INSUFFICIENT_MEMORY;
  s->limits = limits;

  int result = yr_rules_load_stream(&stream, &s->rules);
  if (result == ERROR_SUCCESS)
  {
    free_relocations(s->rules->arena);
    if (!plain)
      s->index = tyto_index_rules(s->rules);
    result = new_scanner(s);
  }
  if (result != ERROR_SUCCESS)
  {
    tyto_close(s);
    return result;
  }
  *out = s;
  return ERROR_SUCCESS;
}

void tyto_close(tyto_scanner* s)
{
  if (s->scanner != NULL)
    yr_scanner_destroy(s->scanner);
  if (s->rules != NULL)
    yr_rules_destroy(s->rules);
  free(s->index);
  free(s->results.matches);
  free(s->results.occurrences);
  free(s->results.data);
  free(s);
}

int tyto_define(tyto_scanner* s, const char* name, const char* value)
{
  if (s->scanner == NULL)
    return ERROR_INSUFFICIENT_MEMORY;

  int result = yr_scanner_define_string_variable(s->scanner, name, value);

  return result == ERROR_INVALID_ARGUMENT ? ERROR_SUCCESS : result;
}

int tyto_define_integer(tyto_scanner* s, const char* name, int64_t value)
{
  if (s->scanner == NULL)
    return ERROR_INSUFFICIENT_MEMORY;

  int result = yr_scanner_define_integer_variable(s->scanner, name, value);

  return result == ERROR_INVALID_ARGUMENT ? ERROR_SUCCESS : result;
}

// ---- collecting ----------------------------------------------------------------------------

// Makes room for n more elements of the given size. Returns 0 if there is no memory.
static int grow(void** array, size_t* cap, size_t len, size_t n, size_t size)
{
  if (len + n <= *cap)
    return 1;

  size_t want = *cap * 2 > len + n ? *cap * 2 : len + n;
  void* p = realloc(*array, want * size);

  if (p == NULL)
    return 0;
  *array = p;
  *cap = want;
  return 1;
}

// Keeps one occurrence of a string. Returns 0 if it could not be kept.
static int keep(tyto_scanner* s, YR_STRING* string, YR_MATCH* match)
{
  tyto_results* r = &s->results;
  uint32_t bytes = match->data_length < 0 ? 0 : (uint32_t) match->data_length;

  if (bytes > s->limits.per_occurrence)
    bytes = s->limits.per_occurrence;
  if (!grow((void**) &r->occurrences, &r->occurrences_cap, r->occurrences_len, 1,
            sizeof(tyto_occurrence)) ||
      !grow((void**) &r->data, &r->data_cap, r->data_len, bytes, 1))
  {
    r->out_of_memory = 1;
    return 0;
  }
  r->occurrences[r->occurrences_len++] = (tyto_occurrence){
      .identifier = string->identifier,
      .offset = (uint64_t) (match->base + match->offset),
      .length = (uint32_t) match->match_length,
      .data_length = bytes,
      .data = r->data_len,
      .xor_key = match->xor_key,
  };
  if (bytes > 0)
    memcpy(r->data + r->data_len, match->data, bytes);
  r->data_len += bytes;
  return 1;
}

static void collect(tyto_scanner* s, YR_SCAN_CONTEXT* context, YR_RULE* rule)
{
  tyto_results* r = &s->results;
  YR_STRING* string;
  YR_MATCH* match;

  if (!grow((void**) &r->matches, &r->matches_cap, r->matches_len, 1, sizeof(tyto_match)))
  {
    r->out_of_memory = 1;
    return;
  }
  tyto_match* m = &r->matches[r->matches_len++];
  *m = (tyto_match){
      .rule = (uint32_t) (rule - context->rules->rules_table),
      .first = (uint32_t) r->occurrences_len,
  };

  // In two rounds, so that the limit does not let one frequent string hide the others: first
  // one occurrence of each string, then the rest.
  yr_rule_strings_foreach(rule, string)
  {
    yr_string_matches_foreach(context, string, match)
    {
      if (m->count < s->limits.per_rule && r->occurrences_len < s->limits.per_scan &&
          keep(s, string, match))
        m->count++;
      else
        m->cut++;
      break;
    }
  }
  yr_rule_strings_foreach(rule, string)
  {
    int first = 1;

    yr_string_matches_foreach(context, string, match)
    {
      if (first)
      {
        first = 0;
        continue;
      }
      if (m->count < s->limits.per_rule && r->occurrences_len < s->limits.per_scan &&
          keep(s, string, match))
        m->count++;
      else
        m->cut++;
    }
  }
}

static void warn(tyto_scanner* s, YR_STRING* string)
{
  tyto_results* r = &s->results;

  if (r->warnings_len == TYTO_WARNINGS)
  {
    r->warnings_cut++;
    return;
  }
  r->warnings[r->warnings_len++] = (tyto_warning){
      .rule = string->rule_idx,
      .identifier = string->identifier,
  };
}

static int callback(YR_SCAN_CONTEXT* context, int message, void* data, void* user_data)
{
  tyto_scanner* s = (tyto_scanner*) user_data;

  switch (message)
  {
  case CALLBACK_MSG_RULE_MATCHING:
    collect(s, context, (YR_RULE*) data);
    break;
  case CALLBACK_MSG_TOO_MANY_MATCHES:
    // Going on means that this string is not searched any further in this content.
    warn(s, (YR_STRING*) data);
    break;
  }
  return CALLBACK_CONTINUE;
}

// ---- scanning ------------------------------------------------------------------------------

static int begin(tyto_scanner* s)
{
  tyto_results* r = &s->results;

  r->matches_len = r->occurrences_len = r->data_len = 0;
  r->warnings_len = r->warnings_cut = 0;
  r->out_of_memory = 0;
  r->error_rule = -1;
  r->error_string = NULL;

  if (s->scanner == NULL)
  {
    int result = new_scanner(s);
    if (result != ERROR_SUCCESS)
      return result;
  }
  // libyara forgets to, so that a scanner used twice remembers the first file's entry point.
  s->scanner->entry_point = YR_UNDEFINED;
  s->scanner->last_error_string = NULL;
  return ERROR_SUCCESS;
}

static int end(tyto_scanner* s, int result)
{
  if (result != ERROR_SUCCESS)
  {
    YR_STRING* string = s->scanner->last_error_string;

    if (string != NULL)
    {
      s->results.error_rule = (int) string->rule_idx;
      s->results.error_string = string->identifier;
    }
    // Modules may still be loaded: do not use this scanner again. If there is no memory for
    // another, the next scan tries once more.
    (void) new_scanner(s);
  }
  else if (s->results.out_of_memory)
    result = ERROR_INSUFFICIENT_MEMORY;
  return result;
}

int tyto_scan(tyto_scanner* s, const uint8_t* data, size_t size)
{
  int result = begin(s);

  if (result == ERROR_SUCCESS)
    result = end(s, tyto_scan_whole(s, data, size));
  return result;
}

int tyto_scan_chunks(
    tyto_scanner* s, uint64_t size, size_t chunk, size_t overlap, uintptr_t handle)
{
  int result = begin(s);

  if (result == ERROR_SUCCESS)
    result = end(s, tyto_scan_window(s, size, chunk, overlap, handle));
  return result;
}
