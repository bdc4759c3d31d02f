/*
 * Does nothing, for an hour at most. While one program runs, Wine keeps its services up; starting them
 * again for each test program would cost seconds every time.
 */
#include <windows.h>

int main(void)
{
  Sleep(3600 * 1000);
  return 0;
}
