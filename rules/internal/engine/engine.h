// The C side of package engine: one call per scan, no call back into Go except for fetching
// chunks, and evidence collected under limits into plain arrays.

#ifndef TYTO_ENGINE_H
#define TYTO_ENGINE_H

#include <stddef.h>
#include <stdint.h>
#include <yara.h>

// One occurrence of a string of a matching rule.
typedef struct {
  const char* identifier;  // owned by the rules
  uint64_t offset;
  uint32_t length;       // true length
  uint32_t data_length;  // bytes kept
  size_t data;           // where they begin in tyto_results.data
  uint8_t xor_key;
} tyto_occurrence;

// One matching rule.
typedef struct {
  uint32_t rule;   // index in the compiled rules
  uint32_t first;  // its first occurrence
  uint32_t count;  // occurrences kept
  uint64_t cut;    // occurrences left out
} tyto_match;

// A string that occurs so often that libyara stopped searching it.
typedef struct {
  uint32_t rule;
  const char* identifier;
} tyto_warning;

typedef struct {
  uint32_t per_rule;         // occurrences kept per rule
  uint32_t per_scan;         // occurrences kept per scan
  uint32_t per_occurrence;   // bytes kept per occurrence
} tyto_limits;

enum { TYTO_WARNINGS = 16 };  // kept per scan

// What one scan yields. The arrays are reused by the next scan.
typedef struct {
  tyto_match* matches;
  size_t matches_len, matches_cap;
  tyto_occurrence* occurrences;
  size_t occurrences_len, occurrences_cap;
  uint8_t* data;
  size_t data_len, data_cap;
  tyto_warning warnings[TYTO_WARNINGS];
  size_t warnings_len;
  size_t warnings_cut;
  int out_of_memory;
  // Where the scan failed; the strings are owned by the rules.
  int error_rule;  // -1 if unknown
  const char* error_string;
} tyto_results;

typedef struct tyto_index tyto_index;

typedef struct {
  YR_RULES* rules;
  YR_SCANNER* scanner;
  tyto_index* index;  // NULL: libyara searches
  tyto_limits limits;
  tyto_results results;
} tyto_scanner;

// Loads compiled rules from memory and makes a scanner for them. plain leaves searching to libyara.
int tyto_open(
    const uint8_t* blob, size_t size, tyto_limits limits, int plain, tyto_scanner** out);
void tyto_close(tyto_scanner* s);

// Sets an external variable. Unknown names are ignored. A failed scan forgets it.
int tyto_define(tyto_scanner* s, const char* name, const char* value);
int tyto_define_integer(tyto_scanner* s, const char* name, int64_t value);

int tyto_scan(tyto_scanner* s, const uint8_t* data, size_t size);

// Scans content of any size through a window. chunk > 2 * overlap. handle is passed to
// tytoFetch, which fills a buffer and returns the bytes it could read.
int tyto_scan_chunks(
    tyto_scanner* s, uint64_t size, size_t chunk, size_t overlap, uintptr_t handle);

// ---- between the C files -----------------------------------------------------------------

// window.c: the scans without the bookkeeping around them.
int tyto_scan_whole(tyto_scanner* s, const uint8_t* data, size_t size);
int tyto_scan_window(
    tyto_scanner* s, uint64_t size, size_t chunk, size_t overlap, uintptr_t handle);

// search.c
tyto_index* tyto_index_rules(YR_RULES* rules);  // NULL if libyara has to search
int tyto_search(tyto_scanner* s, const uint8_t* data, size_t size, uint64_t base);

#endif
