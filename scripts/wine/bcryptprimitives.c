/*
 * Wine 8 has no bcryptprimitives.dll, and a Go program takes its first random bytes from there: without
 * it none even starts. This stands in, with the random numbers of advapi32. For tests under Wine only.
 */
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length); /* RtlGenRandom */

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T length)
{
  while (length > 0) {
    ULONG step = length < 0x10000000 ? (ULONG) length : 0x10000000;
    if (!SystemFunction036(buffer, step))
      return FALSE;
    buffer += step;
    length -= step;
  }
  return TRUE;
}
