<?xml version="1.0"?>
<CHANNEL HREF="http://cdf.example/" LASTMOD="1998-11-05T08:15"><TITLE>Old channel</TITLE>
<ITEM HREF="http://cdf.example/1.html" LASTMOD="1998-11-04T12:00+0100"><TITLE>First</TITLE><ABSTRACT>What it says</ABSTRACT></ITEM>
</CHANNEL>
