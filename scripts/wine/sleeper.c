/*
 * Does nothing, for an hour at most. While one program runs, Wine keeps its services up; starting them
 * again for each test program would cost seconds every time.
 *
 * It has a desktop, too. Wine starts a process for that, explorer.exe, as soon as a program needs one, which verifying a
 * signature does; started by a test, it would hold the test's output open long after the test has ended.
 */
#include <windows.h>

int main(void)
{
  GetDesktopWindow();
  Sleep(3600 * 1000);
  return 0;
}
