// The search for strings, in place of libyara's.
//
// libyara looks for atoms, pieces of at most four bytes taken from each string, and verifies the
// string where an atom stands. It finds atoms with an Aho-Corasick automaton, which for thousands
// of rules is megabytes large, so that nearly every byte of content costs a cache miss: two thirds
// of all the time.
//
// Here, the bytes at each position are first looked up in three bit sets, one for each length of
// atom, which fit into the nearest caches. No position depends on the one before, so the processor
// looks at several at once. Only where a bit is set, the automaton's trie is followed from its
// root. What is found is handed to libyara's own verification, in the order in which libyara would
// have found it, so that the result is the same to the last byte.
//
// libyara keeps in each state the atoms that end there: those of the state's own path and then,
// linked behind them, those of its longest suffix that is a state too. So at each end position one
// list has them all, that of the longest path which ends there.

#include <stdlib.h>
#include <string.h>

#include "engine.h"

#ifndef TYTO_SEARCH

// Linked against a shared libyara, whose verification is not visible: libyara searches.
tyto_index* tyto_index_rules(YR_RULES* rules) { return NULL; }

int tyto_search(tyto_scanner* s, const uint8_t* data, size_t size, uint64_t base)
{
  return ERROR_INTERNAL_FATAL_ERROR;
}

#else

#include <yara/ahocorasick.h>
#include <yara/exefiles.h>
#include <yara/scan.h>

#if YR_MAX_ATOM_LENGTH != 4
#error this search expects atoms of up to four bytes
#endif

enum { TWO_BITS = 16, THREE_BITS = 18, FOUR_BITS = 20 };

struct tyto_index {
  // A set bit says that an atom of up to two, of three, of four bytes may begin with these bytes:
  // the first exactly, the others by their hash.
  uint64_t two[(1 << TWO_BITS) / 64];
  uint64_t three[(1 << THREE_BITS) / 64];
  uint64_t four[(1 << FOUR_BITS) / 64];
};

static inline uint32_t hash_three(uint32_t w)
{
  return ((w & 0xffffff) * 2654435761u) >> (32 - THREE_BITS);
}

static inline uint32_t hash_four(uint32_t w) { return (w * 2654435761u) >> (32 - FOUR_BITS); }

static inline void set(uint64_t* bits, uint32_t i) { bits[i / 64] |= 1ull << (i % 64); }

static inline uint64_t get(const uint64_t* bits, uint32_t i) { return bits[i / 64] >> (i % 64) & 1; }

// The state after a byte, 0 if there is none. No transition leads back to the root, which is 0.
static inline uint32_t follow(const YR_AC_TRANSITION* table, uint32_t state, uint8_t byte)
{
  YR_AC_TRANSITION t = table[state + byte + 1];

  return YR_AC_INVALID_TRANSITION(t, byte + 1u) ? 0 : YR_AC_NEXT_STATE(t);
}

// The matches of the longest proper suffix of a path that is a state, as in ac_match_table.
static uint32_t suffix_matches(const YR_RULES* rules, const uint8_t* path, int length)
{
  for (int from = 1; from < length; from++)
  {
    uint32_t state = YR_AC_ROOT_STATE;
    int i = from;

    for (; i < length; i++)
      if ((state = follow(rules->ac_transition_table, state, path[i])) == 0)
        break;
    if (i == length)
      return rules->ac_match_table[state];
  }
  return 0;
}

// Enters the atoms on all paths that go on from a state.
static void enter(
    tyto_index* index, const YR_RULES* rules, uint32_t state, uint8_t* path, int depth)
{
  for (int byte = 0; byte < 256; byte++)
  {
    uint32_t next = follow(rules->ac_transition_table, state, (uint8_t) byte);

    if (next == 0)
      continue;
    path[depth] = (uint8_t) byte;

    uint32_t matches = rules->ac_match_table[next];
    uint32_t w = 0;

    memcpy(&w, path, depth + 1);
    // If the state has the same list as its suffix, no atom has this path.
    if (matches != 0 && matches != suffix_matches(rules, path, depth + 1))
    {
      switch (depth + 1)
      {
      case 1:
        for (uint32_t second = 0; second < 256; second++)
          set(index->two, w | second << 8);
        break;
      case 2:
        set(index->two, w);
        break;
      case 3:
        set(index->three, hash_three(w));
        break;
      case 4:
        set(index->four, hash_four(w));
        break;
      }
    }
    if (depth + 1 < YR_MAX_ATOM_LENGTH)
      enter(index, rules, next, path, depth + 1);
  }
}

tyto_index* tyto_index_rules(YR_RULES* rules)
{
  // Strings without any atom are verified at every byte, whatever we do.
  if (rules->ac_match_table[YR_AC_ROOT_STATE] != 0)
    return NULL;

  tyto_index* index = (tyto_index*) calloc(1, sizeof(tyto_index));
  uint8_t path[YR_MAX_ATOM_LENGTH] = {0};

  if (index != NULL)
    enter(index, rules, YR_AC_ROOT_STATE, path, 0);
  return index;
}

// Positions at which atoms end, found but not yet verified.
typedef struct {
  YR_SCANNER* scanner;
  const uint8_t* data;
  size_t size;
  uint64_t base;

  uint32_t states[8];  // by end position modulo 8; all pending ones are less than 5 apart
  size_t next, last;   // pending ends lie between them, both included
} pending;

// Verifies the strings whose atoms end at or before a position.
static int verify(pending* p, size_t upto)
{
  const YR_RULES* rules = p->scanner->rules;

  for (; p->next <= p->last && p->next <= upto; p->next++)
  {
    uint32_t state = p->states[p->next % 8];

    if (state == 0)
      continue;
    p->states[p->next % 8] = 0;
    for (YR_AC_MATCH* m = &rules->ac_match_pool[rules->ac_match_table[state] - 1]; m != NULL;
         m = m->next)
    {
      if (m->backtrack > p->next)
        continue;
      int result = yr_scan_verify_match(
          p->scanner, m, p->data, p->size, p->base, p->next - m->backtrack);
      if (result != ERROR_SUCCESS)
        return result;
    }
  }
  return ERROR_SUCCESS;
}

// Follows the trie from a position. An end position that an earlier one has reached is left to
// that: its path is longer, and its list includes ours.
static int visit(pending* p, size_t at)
{
  const YR_RULES* rules = p->scanner->rules;
  uint32_t state = YR_AC_ROOT_STATE;
  int result = verify(p, at);

  if (result != ERROR_SUCCESS)
    return result;
  if (p->next <= at)
    p->next = at + 1;
  for (size_t end = at + 1; end <= at + YR_MAX_ATOM_LENGTH && end <= p->size; end++)
  {
    state = follow(rules->ac_transition_table, state, p->data[end - 1]);
    if (state == 0)
      break;
    if (rules->ac_match_table[state] == 0 || p->states[end % 8] != 0)
      continue;
    p->states[end % 8] = state;
    if (p->last < end)
      p->last = end;
  }
  return ERROR_SUCCESS;
}

static inline uint32_t load(const uint8_t* at)
{
  uint32_t w;

  memcpy(&w, at, sizeof(w));
  return w;  // little-endian, as are all machines that Tyto is built for
}

static inline uint64_t wanted(const tyto_index* index, uint32_t w)
{
  return get(index->two, w & 0xffff) | get(index->three, hash_three(w)) |
         get(index->four, hash_four(w));
}

int tyto_search(tyto_scanner* s, const uint8_t* data, size_t size, uint64_t base)
{
  const tyto_index* index = s->index;
  pending p = {.scanner = s->scanner, .data = data, .size = size, .base = base, .next = 1};
  size_t at = 0;
  int result;

  // libyara determines this on the way.
  if (base == 0)
    s->scanner->entry_point = yr_get_entry_point_offset(data, size);

  for (; at + 4 <= size; at++)
  {
    if (!wanted(index, load(data + at)))
      continue;
    if ((result = visit(&p, at)) != ERROR_SUCCESS)
      return result;
  }
  for (; at < size; at++)
    if ((result = visit(&p, at)) != ERROR_SUCCESS)
      return result;
  return verify(&p, size);
}

#endif
