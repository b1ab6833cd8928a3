"""Types that cross HTTP."""
